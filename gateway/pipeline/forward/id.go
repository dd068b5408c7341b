package forward

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"

	"github.com/gonicorn/gonicorn/gateway/text"
)

// maxID is the largest length of a request id from outside.
const maxID = 128

// NewID makes a request id in memory, which may be nil: 32 hexadecimal digits that no client can guess
// (math/rand/v2's generator is ChaCha8, seeded by the system).
func NewID(memory *text.Memory) string {
	var raw [16]byte
	binary.LittleEndian.PutUint64(raw[:], rand.Uint64())
	binary.LittleEndian.PutUint64(raw[8:], rand.Uint64())
	var digits [32]byte
	hex.Encode(digits[:], raw[:])
	return memory.String(digits[:])
}

// valid reports whether an id from outside can be passed on into logs, and into headers
// for other systems.
func valid(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for i := range len(id) {
		c := id[i]
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case c == '-', c == '_', c == '.', c == '+', c == '/', c == '=', c == ':':
		default:
			return false
		}
	}
	return true
}
