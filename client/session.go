package client

import (
	"context"
	"errors"
	"io"
	"time"

	runnelv1 "github.com/runnel-io/runnel/proto/runnel/v1"
	"github.com/runnel-io/runnel/proto/runnel/wire"
	"github.com/runnel-io/runnel/stream"
)

// A session is one put stream of a lane, from its opening to its failure. One
// goroutine sends, one receives, one watches that answers come. The receiver waits
// for nothing but the connection, so the server can always get rid of answers, and
// with that always comes to read what is sent.
type session struct {
	lane   *lane
	ctx    context.Context
	cancel context.CancelCauseFunc
	queued chan struct{} // there may be something to send

	// Guarded by lane.mu.
	flying map[uint64]*call // sent, not answered
	shared int              // how many of them are shared
}

func newSession(l *lane) *session {
	s := &session{lane: l, queued: make(chan struct{}, 1), flying: make(map[uint64]*call)}
	s.ctx, s.cancel = context.WithCancelCause(l.client.ctx)
	return s
}

func (s *session) run() {
	defer s.cancel(nil)
	s.lane.client.wg.Go(s.watch) // the opening, too
	puts, err := runnelv1.NewRecordServiceClient(s.lane.conn).PutStream(s.ctx)
	if err != nil {
		s.end(err)
		return
	}
	received := make(chan struct{})
	s.lane.client.wg.Go(func() {
		defer close(received)
		s.end(s.receive(puts))
	})
	s.send(puts)
	<-received
}

// send sends until the stream fails; why it did, the receiver hears.
func (s *session) send(puts runnelv1.RecordService_PutStreamClient) {
	for {
		c := s.lane.take(s)
		if c == nil {
			select {
			case <-s.queued:
				continue
			case <-s.ctx.Done():
				return
			}
		}
		m := wire.PutMessage{ID: c.id, Stream: c.stream, Entries: c.entries, Pool: buffers}
		if err := puts.SendMsg(&m); err != nil {
			if !errors.Is(err, io.EOF) { // with EOF the receiver hears the reason
				s.cancel(err)
			}
			return
		}
	}
}

func (s *session) receive(puts runnelv1.RecordService_PutStreamClient) error {
	var a wire.PutAnswer
	for {
		if err := puts.RecvMsg(&a); err != nil {
			return err
		}
		if c := s.landed(a.ID); c != nil {
			c.answer(&a)
		}
	}
}

// landed takes the call out of those under way. nil: nobody asked.
func (s *session) landed(id uint64) *call {
	s.lane.mu.Lock()
	defer s.lane.mu.Unlock()
	c := s.flying[id]
	if c == nil {
		return nil
	}
	delete(s.flying, id)
	if c.shared() {
		s.shared--
		if len(s.lane.shareds) > 0 {
			s.lane.wake()
		}
	}
	return c
}

// end answers everybody: what was sent has an unknown outcome, what was not, was
// refused. The next call opens another session.
func (s *session) end(err error) {
	if s.lane.client.ctx.Err() != nil {
		err = ErrClosed
	} else if cause := context.Cause(s.ctx); cause != nil {
		err = cause
	}
	mapped := wire.FromStatus(err)
	s.cancel(err)

	s.lane.mu.Lock()
	waiting := s.lane.unqueue()
	flying := s.flying
	s.flying = nil
	if s.lane.session == s {
		s.lane.session = nil
	}
	s.lane.mu.Unlock()

	for _, c := range waiting {
		buffers.Put(c.entries)
		c.fail(stream.Wrap(refusal(mapped), mapped, "the put was not sent"))
	}
	for _, c := range flying {
		c.fail(stream.Wrap(stream.CodeUnknownOutcome, mapped, "the connection was lost before the answer came"))
	}
}

// refusal is the code for puts that were not sent: the server's if it says that
// trying again is of no use (it denies access, for example).
func refusal(err error) stream.Code {
	if code := stream.CodeOf(err); code == stream.CodeAccessDenied {
		return code
	}
	return stream.CodeUnavailable
}

// watch ends the session if a message has waited or been under way for longer than
// an attempt may take: its callers get their errors, and those behind it a new
// stream instead of the one that is stuck.
func (s *session) watch() {
	limit := s.lane.client.cfg.attemptTimeout
	t := time.NewTicker(max(limit/8, time.Millisecond))
	defer t.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-t.C:
			if s.oldest(now) > limit {
				s.cancel(stream.Errorf(stream.CodeUnavailable, "no answer within %v", limit))
			}
		}
	}
}

func (s *session) oldest(now time.Time) (age time.Duration) {
	s.lane.mu.Lock()
	defer s.lane.mu.Unlock()
	for _, c := range s.flying {
		age = max(age, now.Sub(c.since))
	}
	for _, q := range [][]*call{s.lane.manys, s.lane.shareds} {
		if len(q) > 0 {
			age = max(age, now.Sub(q[0].since))
		}
	}
	return age
}
