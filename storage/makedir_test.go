package storage

import (
	"errors"
	"testing"
)

// A power cut right after the first write must not take away the directories
// that were made for the store.
func TestNewDirectoriesSurviveAPowerCut(t *testing.T) {
	fs := NewCrashableMem()
	s, err := Open(Config{Dir: "a/b/c/store", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	b := s.NewBatch()
	b.Set([]byte("k"), []byte("v"))
	if err := errors.Join(b.Commit(true)); err != nil {
		t.Fatal(err)
	}
	b.Close()
	after := fs.CrashClone(CrashCloneCfg{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = Open(Config{Dir: "a/b/c/store", FS: after})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, closer, err := s.Get([]byte("k"))
	if err != nil {
		t.Fatalf("what was synced is gone: %v", err)
	}
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
}
