package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// errNotFound: the library compares the text.
var errNotFound = errors.New("not found")

func sealStable(key, value []byte) []byte {
	b := append([]byte{stableVersion}, value...)
	return binary.LittleEndian.AppendUint32(b, seal(key, b))
}

func openStable(key, b []byte) ([]byte, error) {
	if len(b) < 5 {
		return nil, fmt.Errorf("stable row of %d bytes", len(b))
	}
	body := b[:len(b)-4]
	if seal(key, body) != binary.LittleEndian.Uint32(b[len(body):]) {
		return nil, errors.New("stable row fails its checksum")
	}
	if body[0] != stableVersion {
		return nil, fmt.Errorf("stable row of version %d", body[0])
	}
	return body[1:], nil
}
