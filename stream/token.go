package stream

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
)

// TokenLifeMs is how long iterators and page tokens are good for.
const TokenLifeMs = 300_000

// Errors of tokens. Edges say them in their protocol's words.
var (
	ErrInvalidToken = errors.New("token is not one of ours")
	ErrExpiredToken = errors.New("token is older than five minutes")
)

// TokenKey authenticates tokens. ID 0 means that there is no such key.
type TokenKey struct {
	ID     uint32
	Secret [32]byte
}

// Keyring has the key that seals and the one before it, whose tokens are
// still accepted. It is a value that any goroutine may use.
type Keyring struct{ Current, Previous TokenKey }

// Iterator is a place to read from. It is all the state a polling reader has.
type Iterator struct {
	Stream     StreamID
	StreamName string
	Shard      uint32
	Position   Position // the next to read
	IssuedMs   int64
}

const (
	tokenVersion  = 1
	tokenSumSize  = 16
	tokenOverhead = 1 + 4 + 8 // version, key, time
	kindIterator  = "iterator"

	// MaxTokenChars is the longest token that is looked at.
	MaxTokenChars = 512
	// MaxPagePayload is what a token of MaxTokenChars has room for.
	MaxPagePayload = MaxTokenChars*3/4 - tokenOverhead - tokenSumSize
)

// SealIterator makes the token of it, at most 512 characters.
func (k Keyring) SealIterator(it Iterator) string {
	p := binary.BigEndian.AppendUint64(nil, uint64(it.Stream))
	p = binary.BigEndian.AppendUint32(p, it.Shard)
	p = binary.BigEndian.AppendUint64(p, uint64(it.Position))
	p = append(p, it.StreamName...)
	return k.SealPage(kindIterator, it.IssuedMs, p)
}

// OpenIterator checks a token and reads it. The error is ErrInvalidToken for
// anything that this keyring did not seal and ErrExpiredToken for what is too
// old; then the iterator is returned too, since its age goes into the answer.
func (k Keyring) OpenIterator(token string, nowMs int64) (Iterator, error) {
	p, issued, err := k.OpenPage(kindIterator, token, nowMs)
	if err != nil && !errors.Is(err, ErrExpiredToken) {
		return Iterator{}, err
	}
	if len(p) < 20 || len(p) > 20+MaxNameBytes {
		return Iterator{}, ErrInvalidToken
	}
	return Iterator{
		Stream:     StreamID(binary.BigEndian.Uint64(p)),
		Shard:      binary.BigEndian.Uint32(p[8:]),
		Position:   Position(binary.BigEndian.Uint64(p[12:])),
		StreamName: string(p[20:]),
		IssuedMs:   issued,
	}, err
}

// SealPage makes an authenticated token of one kind; a token of one kind never
// opens as another. The payload, at most MaxPagePayload bytes, can be read by
// its holder but not changed. Equal arguments make equal tokens.
func (k Keyring) SealPage(kind string, issuedMs int64, payload []byte) string {
	b := make([]byte, 0, tokenOverhead+len(payload)+tokenSumSize)
	b = append(b, tokenVersion)
	b = binary.BigEndian.AppendUint32(b, k.Current.ID)
	b = binary.BigEndian.AppendUint64(b, uint64(issuedMs))
	b = append(b, payload...)
	return tokenText.EncodeToString(append(b, k.Current.sum(kind, b)...))
}

// OpenPage checks a token of this kind and returns its payload and when it was
// issued. Both come with ErrExpiredToken too. A token from the future, sealed by
// a clock that was set back since, is good.
func (k Keyring) OpenPage(kind, token string, nowMs int64) (payload []byte, issuedMs int64, err error) {
	if len(token) > MaxTokenChars || strings.ContainsAny(token, "\r\n") { // which base64 skips
		return nil, 0, ErrInvalidToken
	}
	b, err := tokenText.DecodeString(token)
	if err != nil || len(b) < tokenOverhead+tokenSumSize || b[0] != tokenVersion {
		return nil, 0, ErrInvalidToken
	}
	key, ok := k.find(binary.BigEndian.Uint32(b[1:]))
	body := b[:len(b)-tokenSumSize]
	if !ok || !hmac.Equal(b[len(body):], key.sum(kind, body)) {
		return nil, 0, ErrInvalidToken
	}
	issuedMs = int64(binary.BigEndian.Uint64(b[5:]))
	if nowMs > issuedMs && uint64(nowMs)-uint64(issuedMs) > TokenLifeMs {
		err = ErrExpiredToken
	}
	return body[tokenOverhead:], issuedMs, err
}

// tokenText has one text for each token.
var tokenText = base64.RawURLEncoding.Strict()

func (k Keyring) find(id uint32) (TokenKey, bool) {
	for _, key := range []TokenKey{k.Current, k.Previous} {
		if key.ID == id && id != 0 {
			return key, true
		}
	}
	return TokenKey{}, false
}

func (k TokenKey) sum(kind string, body []byte) []byte {
	mac := hmac.New(sha256.New, k.Secret[:])
	mac.Write([]byte(kind))
	mac.Write([]byte{0})
	mac.Write(body)
	return mac.Sum(nil)[:tokenSumSize]
}
