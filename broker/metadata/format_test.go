package metadata

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/runnel-io/runnel/stream"
)

// What is on disk does not change by accident: the bytes of every command and
// row, as docs/format/metadata.md draws them. Every command begins with version,
// kind and the stamp 1234.
func TestCommandsAreWhatTheFormatSays(t *testing.T) {
	const (
		zeros  = "00000000000000000000000000000000"
		key    = "80000000000000000000000000000009"
		most   = "ffffffffffffffffffffffffffffffff"
		name   = "01" + "6e"
		limits = "010203"
	)
	want := []string{
		"0102" + zeros[4:] + "03" + "04" + zeros + zeros[2:],
		"02",
		"07" + zeros + zeros[2:] + "01",
		name + "18" + "03" + "01" + "02" + "ac02" + "05" + limits,
		name + "06",
		name + "03" + key + "0102" + "08" + limits,
		name + "03" + "04" + "02" + "09",
		name + "0c" + "0a" + limits,
		name + "30" + "01" + "00" + "0b",
		"05" + "06" + "02" + key + most + "01" + "00" + "02" + zeros + zeros + "01" + "03" + "01",
		"05" + "06" + "01" + "01" + "808080808080808040" + "0c",
		"05" + "06",
		"05" + "30",
		"05",
		"05",
		"05" + "02" + "01" + "02",
	}
	for i, c := range samples() {
		head := "01" + hex.EncodeToString([]byte{byte(i + 1)}) + "d209"
		if got := hex.EncodeToString(Encode(c, 1234)); got != head+want[i] {
			t.Errorf("%T:\n     %s\nwant %s", c, got, head+want[i])
		}
	}
}

func TestRowsAreWhatTheFormatSays(t *testing.T) {
	zeros := strings.Repeat("00", 16)
	st := &Stream{
		Name: "n", Status: Updating, CreatedMs: 1, CreatedSec: 2, RetentionHours: 24, FloorMs: 3, NextShard: 4, ScaledMs: []int64{10},
		Op: &Operation{Kind: OpReshard, Step: StepClose, DueMs: 5, Target: 6, First: 7, Count: 8, Hours: 9},
	}
	idle := &Stream{Name: "n", Status: Active}
	sh := &Shard{
		Phase: Closed, Range: stream.HashRange{End: stream.MaxHashKey}, Group: 1, CreatedSec: 2, OpenedMs: 3, ClosedMs: 4, End: 5,
		Parent: -1, Adjacent: 6,
	}
	sys := system{
		timeMs: 300, nextStream: 2, cluster: [16]byte{15: 1}, groups: 2, ready: []bool{true, false},
		keys: stream.Keyring{Current: stream.TokenKey{ID: 2, Secret: [32]byte{31: 2}}, Previous: stream.TokenKey{ID: 1, Secret: [32]byte{31: 1}}},
	}
	for _, row := range []struct {
		what, want string
		got        []byte
	}{
		{"stream", "01" + "016e" + "03" + "0102" + "18" + "03" + "04" + "010a" + "01" + "0303" + "0506" + "0708" + "09", st.encode()},
		{"idle stream", "01" + "016e" + "02" + "0000" + "00" + "00" + "00" + "00" + "00", idle.encode()},
		{"shard", "01" + "03" + zeros + strings.Repeat("ff", 16) + "01" + "02" + "03" + "04" + "05" + "00" + "07", sh.encode()},
		{
			"system", "01" + "ac02" + "02" + zeros[2:] + "01" + "02" + "0100" + "02" + zeros + zeros[2:] + "02" + "01" + zeros + zeros[2:] + "01",
			sys.encode(),
		},
		{"tombstone", "01" + "ac02", encodeTombstone(300)},
	} {
		if got := hex.EncodeToString(row.got); got != row.want {
			t.Errorf("%s:\n     %s\nwant %s", row.what, got, row.want)
		}
	}
}

// A row that says what this program does not know is damage, not a default.
func TestRowsWithUnknownValuesAreRefused(t *testing.T) {
	stream1 := func(change func(*Stream)) []byte {
		s := &Stream{Name: "n", Status: Active, Op: &Operation{Kind: OpCreate, Step: StepOpen}}
		change(s)
		return s.encode()
	}
	for what, b := range map[string][]byte{
		"status 0":    stream1(func(s *Stream) { s.Status = 0 }),
		"status 5":    stream1(func(s *Stream) { s.Status = 5 }),
		"operation 0": stream1(func(s *Stream) { s.Op.Kind = 0 }),
		"operation 5": stream1(func(s *Stream) { s.Op.Kind = 5 }),
		"step 0":      stream1(func(s *Stream) { s.Op.Step = 0 }),
		"step 6":      stream1(func(s *Stream) { s.Op.Step = 6 }),
	} {
		if _, err := decodeStream(1, b); err == nil {
			t.Errorf("a stream with %s is taken", what)
		}
	}
	for _, p := range []Phase{0, 4} {
		if _, err := decodeShard(stream.ShardID{}, (&Shard{Phase: p}).encode()); err == nil {
			t.Errorf("a shard with phase %d is taken", p)
		}
	}
	if _, err := decodeStream(1, stream1(func(*Stream) {})); err != nil {
		t.Error(err)
	}
}
