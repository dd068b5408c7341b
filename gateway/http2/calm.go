package http2

import "time"

const (
	idleMost   = 10000 // frames a second that bring nothing
	resetsMost = 400   // requests a second that are given up, at least
)

// calm bounds what costs a client little and its server much: frames that bring
// nothing, and requests that the client gives up at once (CVE-2023-44487), or has
// the server give up by an invalid frame (CVE-2025-8671).
type calm struct {
	second        int64
	frames, given int
}

// begin is called with the time, now and then.
func (k *calm) begin(now time.Time) {
	if s := now.Unix(); s != k.second {
		*k = calm{second: s}
	}
}

// idle counts a frame that brings nothing; false means that there are too many.
func (k *calm) idle() bool {
	k.frames++
	return k.frames <= idleMost
}

// reset counts a request that is given up, of so many that may be open.
func (k *calm) reset(streams int) bool {
	k.given++
	return k.given <= max(resetsMost, 4*streams)
}

// recentMost is how many streams are remembered that have ended.
const recentMost = 32

// recent are the streams that have ended last. A client may not know yet that
// one was reset; it should know of the others.
type recent struct {
	ids [recentMost]uint32 // with the highest bit set where it was reset
	at  int
}

const wasReset = 1 << 31

func (r *recent) add(id uint32) {
	r.ids[r.at] = id
	r.at = (r.at + 1) % recentMost
}

// reset reports whether a stream was reset lately.
func (r *recent) reset(id uint32) bool { return r.has(id | wasReset) }

// ended reports whether a stream has ended lately, in whatever way.
func (r *recent) ended(id uint32) bool { return r.has(id) || r.reset(id) }

func (r *recent) has(id uint32) bool {
	for _, known := range r.ids {
		if known == id {
			return true
		}
	}
	return false
}
