package stream

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestErrorTellsItsCause(t *testing.T) {
	told := Errorf(CodeCorrupt, "block 7: %w", io.ErrUnexpectedEOF)
	if told.Error() != "block 7: unexpected EOF" || told.Message != told.Error() || !errors.Is(told, io.ErrUnexpectedEOF) {
		t.Errorf("%q, %q", told, told.Message)
	}
	hidden := Wrap(CodeCorrupt, io.ErrUnexpectedEOF, "block 7")
	if hidden.Error() != "block 7: unexpected EOF" || hidden.Message != "block 7" || !errors.Is(hidden, io.ErrUnexpectedEOF) {
		t.Errorf("%q, %q", hidden, hidden.Message)
	}
	if plain := Errorf(CodeNotFound, "no stream %s", "s"); plain.Err != nil || plain.Error() != "no stream s" {
		t.Errorf("%q, %v", plain, plain.Err)
	}
}

func TestErrorsMatchByCode(t *testing.T) {
	err := fmt.Errorf("outer: %w", Errorf(CodeInUse, "x"))
	if !errors.Is(err, &Error{Code: CodeInUse}) || errors.Is(err, &Error{Code: CodeNotFound}) {
		t.Error("does not match by code")
	}
	if CodeOf(err) != CodeInUse || CodeOf(io.EOF) != CodeInternal {
		t.Error("other codes")
	}
}

func TestEveryCodeHasAName(t *testing.T) {
	seen := map[string]bool{}
	for c := CodeInternal; c <= CodeCorrupt; c++ {
		name := c.String()
		if name == "" || strings.HasPrefix(name, "Code(") || seen[name] {
			t.Errorf("code %d is called %q", c, name)
		}
		seen[name] = true
	}
	if CodeInternal.Retryable() || CodeInvalidArgument.Retryable() || CodeCorrupt.Retryable() || !CodeUnknownOutcome.Retryable() || !CodeDiskFull.Retryable() {
		t.Error("what may be retried is wrong")
	}
	if (CodeCorrupt + 1).String() != fmt.Sprintf("Code(%d)", CodeCorrupt+1) {
		t.Error("a new code is not in the test")
	}
}
