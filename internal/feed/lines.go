package feed

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
)

// Line is one line without its line feed.
type Line struct {
	Number int64 // from 1
	Text   []byte
	Err    error // the line cannot be sent: too long
}

// TooLongError tells that a line is longer than a record may be.
type TooLongError struct{ Limit int }

func (e *TooLongError) Error() string {
	return fmt.Sprintf("the line is longer than the %d bytes that a record of this stream may have", e.Limit)
}

// lineReader reads lines of at most limit bytes. Of a longer one it keeps nothing.
type lineReader struct {
	r      *bufio.Reader
	limit  int
	number int64
	bytes  int64 // read, line feeds included
}

// next returns io.EOF after the last line. The last line may lack its line
// feed. Other errors are those of the reader.
func (l *lineReader) next() (Line, error) {
	var text []byte
	long := false
	for {
		part, err := l.r.ReadSlice('\n')
		l.bytes += int64(len(part))
		ended := err == nil
		if ended {
			part = part[:len(part)-1]
		}
		if len(text)+len(part) > l.limit {
			long, text = true, nil
		} else if !long {
			text = append(text, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && (!errors.Is(err, io.EOF) || (len(text) == 0 && !long)) {
			return Line{}, err
		}
		l.number++
		line := Line{Number: l.number, Text: text}
		if long {
			line.Err = &TooLongError{l.limit}
		}
		return line, nil
	}
}

// batch is what was read at once: as many lines as the buffer held, so that a
// slow pipe is passed on line by line and a file in bulk.
type batch struct {
	lines []Line
	bytes int64 // of the input, up to here
	err   error // why there are no more; io.EOF at the end
}

const maxBatch = 256

// read sends batches until the input ends or ctx does. A read of a terminal or
// a pipe cannot be interrupted; then read's goroutine stays in it and the
// receiver goes on.
func (l *lineReader) read(ctx context.Context, out chan<- batch) {
	defer close(out)
	for {
		var b batch
		for b.err == nil && len(b.lines) < maxBatch {
			line, err := l.next()
			if err != nil {
				b.err = err
				break
			}
			b.lines = append(b.lines, line)
			if l.r.Buffered() == 0 {
				break
			}
		}
		b.bytes = l.bytes
		select {
		case out <- b:
		case <-ctx.Done():
			return
		}
		if b.err != nil {
			return
		}
	}
}
