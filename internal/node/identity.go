package node

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/runnel-io/runnel/storage"
)

// identityFile holds "runnel node 1\n", the node's id and a line feed. The store
// adds a checksum.
const (
	identityFile   = "identity"
	identityHeader = "runnel node 1\n"
)

// identity is the node's id: random, made with its data directory and never
// changed, so that an empty directory is always a new member.
func identity(store *storage.Store) (string, error) {
	b, err := store.ReadFile(identityFile)
	if errors.Is(err, storage.ErrNotFound) {
		return found(store)
	}
	if err != nil {
		return "", fmt.Errorf("read the node's identity: %w", err)
	}
	id, ok := strings.CutPrefix(string(b), identityHeader)
	id = strings.TrimSuffix(id, "\n")
	if raw, err := hex.DecodeString(id); !ok || err != nil || len(raw) != 8 {
		return "", fmt.Errorf("read the node's identity: %w: file %s has an unknown form", storage.ErrCorrupt, identityFile)
	}
	return id, nil
}

// found gives a new data directory its identity. A directory that holds rows
// and has none has lost a file.
func found(store *storage.Store) (string, error) {
	it, err := store.NewIter(nil, nil)
	if err != nil {
		return "", err
	}
	used := it.First()
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return "", fmt.Errorf("look for rows: %w", err)
	}
	if used {
		return "", fmt.Errorf("%w: the data directory holds data, but its file %s is gone", storage.ErrCorrupt, identityFile)
	}
	var raw [8]byte
	rand.Read(raw[:])
	id := hex.EncodeToString(raw[:])
	if err := store.WriteFile(identityFile, []byte(identityHeader+id+"\n")); err != nil {
		return "", fmt.Errorf("write the node's identity: %w", err)
	}
	return id, nil
}
