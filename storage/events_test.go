package storage

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestBackgroundErrors wants a flush that fails again and again to end the
// store, and one that fails now and then not to.
func TestBackgroundErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told error
		s := &Store{cfg: Config{OnFatal: func(err error) { told = err }}.withDefaults(), gone: make(chan struct{})}
		e := newEvents(s)
		failure := errors.New("no luck")
		for range 3 * maxBackgroundErrors {
			e.backgroundError(failure)
			time.Sleep(time.Second)
		}
		if told != nil {
			t.Errorf("one a second: %v", told)
		}
		for range maxBackgroundErrors {
			e.backgroundError(failure)
		}
		if !errors.Is(told, failure) || !errors.Is(s.Err(), failure) {
			t.Errorf("many at once: %v", told)
		}
	})
}

func TestCorruptionIsNamed(t *testing.T) {
	cause := errors.New("cause")
	whole := &CorruptionError{Path: "MANIFEST", Cause: cause}
	part := &CorruptionError{Path: "7.sst", Start: []byte{1}, End: []byte{2}, Cause: cause}
	for err, want := range map[error]string{whole: "damage in MANIFEST: cause", part: "damage in 7.sst (keys 01 to 02): cause"} {
		if err.Error() != want || !errors.Is(err, ErrCorrupt) || !errors.Is(err, cause) {
			t.Errorf("%v", err)
		}
	}
	if !strings.Contains(ErrCorrupt.Error(), "damage") {
		t.Error(ErrCorrupt)
	}
}
