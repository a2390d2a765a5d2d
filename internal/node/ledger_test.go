package node

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"

	"github.com/runnel-io/runnel/broker"
	"github.com/runnel-io/runnel/stream"
)

// The ledger is what the world outside knows of a stream: which records were
// acknowledged and with which numbers, which were sent and perhaps stored, and
// what readers have seen. After every power cut a node is held against it.
type ledger struct {
	mu     sync.Mutex
	acked  map[string]stream.Sequence // by payload; survives every cut from here on
	sent   map[string]bool            // handed to the node; may be stored or not
	seen   map[stream.Sequence]string // what a reader got at each number
	worker map[string]int             // the last number that each worker sent
}

func newLedger() *ledger {
	return &ledger{
		acked: map[string]stream.Sequence{}, sent: map[string]bool{},
		seen: map[stream.Sequence]string{}, worker: map[string]int{},
	}
}

// payload makes the next record of a worker. It says who sent it and in which
// order, carries random bytes, and a checksum that shows a torn record.
func (l *ledger) payload(worker string, rng *rand.Rand) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.worker[worker]++
	body := fmt.Sprintf("%s %08d %s", worker, l.worker[worker], strings.Repeat(strconv.FormatUint(rng.Uint64(), 36), rng.IntN(40)))
	text := fmt.Sprintf("%s %08x", body, crc32.ChecksumIEEE([]byte(body)))
	l.sent[text] = true
	return text
}

func (l *ledger) ack(text string, seq stream.Sequence) {
	l.mu.Lock()
	l.acked[text] = seq
	l.mu.Unlock()
}

// freeze returns what is acknowledged at this moment. What is acknowledged
// later, in the time line that the cut ends, need not be there after it.
func (l *ledger) freeze() map[string]stream.Sequence {
	l.mu.Lock()
	defer l.mu.Unlock()
	frozen := make(map[string]stream.Sequence, len(l.acked))
	for text, seq := range l.acked {
		frozen[text] = seq
	}
	return frozen
}

// thaw makes what was acknowledged before the cut all that is.
func (l *ledger) thaw(frozen map[string]stream.Sequence) {
	l.mu.Lock()
	l.acked = frozen
	l.mu.Unlock()
}

// violation is what a node must never show.
type violation struct{ text string }

func (v *violation) Error() string { return v.text }

func violated(format string, args ...any) error { return &violation{fmt.Sprintf(format, args...)} }

// check reads every shard of the stream and compares.
func (l *ledger) check(ctx context.Context, b *broker.Broker, name string) error {
	shards, _, err := b.ListShards(ctx, name, broker.ShardFilter{}, -1, 10_000)
	switch {
	case stream.CodeOf(err) == stream.CodeNotFound:
		return violated("the stream, whose creation was acknowledged, is lost: %v", err)
	case err != nil:
		return fmt.Errorf("list shards: %w", err)
	}
	if err := tiles(shards); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	found := map[string]stream.Sequence{}
	order := map[string]lastOf{}
	for _, shard := range shards {
		if err := l.checkShard(ctx, b, name, shard, found, order); err != nil {
			return err
		}
	}
	for text, seq := range l.acked {
		switch got, ok := found[text]; {
		case !ok:
			return violated("acknowledged and lost: %s at %s", brief(text), seq)
		case got != seq:
			return violated("acknowledged at %s, found at %s: %s", seq, got, brief(text))
		}
	}
	for seq, text := range l.seen {
		if found[text] != seq {
			return violated("seen at %s before the cut and gone: %s", seq, brief(text))
		}
	}
	for text, seq := range found {
		l.seen[seq] = text
		l.acked[text] = seq // a reader has it: it stays
	}
	return nil
}

type lastOf struct {
	number int
	seq    stream.Sequence
}

func (l *ledger) checkShard(ctx context.Context, b *broker.Broker, name string, shard broker.ShardInfo, found map[string]stream.Sequence, order map[string]lastOf) error {
	var last stream.Sequence
	return readAll(ctx, b, name, shard.ID.Name(), func(seq stream.Sequence, r stream.Record) error {
		text := string(r.Data)
		switch {
		case last.Compare(seq) >= 0:
			return violated("%s: %s follows %s", shard.ID.Name(), seq, last)
		case !whole(text):
			return violated("%s: torn record at %s: %q", shard.ID.Name(), seq, brief(text))
		case !l.sent[text]:
			return violated("%s: nobody sent what is at %s: %s", shard.ID.Name(), seq, brief(text))
		case l.seen[seq] != "" && l.seen[seq] != text:
			return violated("%s: %s had another value before", shard.ID.Name(), seq)
		}
		if other, twice := found[text]; twice {
			return violated("stored twice without a retry, at %s and %s: %s", other, seq, brief(text))
		}
		last, found[text] = seq, seq
		worker, number := origin(text)
		if before := order[worker]; before.number >= number {
			return violated("%s: record %d of %s at %s comes after its record %d at %s",
				shard.ID.Name(), number, worker, seq, before.number, before.seq)
		}
		order[worker] = lastOf{number, seq}
		return nil
	})
}

// emptyReads is how many reads may bring nothing before the end of a shard: one
// for each segment that holds none of it.
const emptyReads = 1000

// readAll reads a shard from its start to what is its end at the time.
func readAll(ctx context.Context, b *broker.Broker, name, shard string, each func(stream.Sequence, stream.Record) error) error {
	token, err := b.Iterator(ctx, name, shard, broker.From{Kind: broker.TrimHorizon})
	still := 0
	for err == nil && token != "" {
		var res broker.ReadResult
		if res, err = b.Read(ctx, token, stream.MaxReadRecords); err != nil {
			break
		}
		for stamp, r := range res.Records() {
			if err := each(stamp.Sequence, r); err != nil {
				return err
			}
			still = 0
		}
		token = res.NextToken
		if res.MillisBehind == 0 {
			return nil
		}
		if still++; still > emptyReads {
			return violated("%s: %d reads one after the other bring nothing, but there is to be more %d ms later", shard, still, res.MillisBehind)
		}
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", shard, err)
	}
	return nil
}

// tiles checks that the open shards cover all hash keys once.
func tiles(shards []broker.ShardInfo) error {
	byStart := map[stream.HashKey]stream.HashRange{}
	open := 0
	for _, s := range shards {
		if !s.Closed {
			byStart[s.Range.Start] = s.Range
			open++
		}
	}
	at, end := stream.HashKey{}, stream.MaxHashKey
	for range open {
		r, ok := byStart[at]
		if !ok {
			return violated("no open shard begins at hash key %s", at)
		}
		if at = r.End; at == end {
			if len(byStart) != open {
				return violated("open shards overlap")
			}
			return nil
		}
		at = at.Next()
	}
	return violated("the open shards end at hash key %s", at)
}

func whole(text string) bool {
	i := strings.LastIndexByte(text, ' ')
	return i > 0 && text[i+1:] == fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text[:i])))
}

func origin(text string) (worker string, number int) {
	worker, rest, _ := strings.Cut(text, " ")
	digits, _, _ := strings.Cut(rest, " ")
	number, _ = strconv.Atoi(digits)
	return worker, number
}

func brief(text string) string { return text[:min(len(text), 40)] }

// isViolation tells a broken promise from a fault of the test's surroundings.
func isViolation(err error) bool {
	var v *violation
	return errors.As(err, &v)
}
