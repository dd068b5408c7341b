package http2

import "time"

const (
	idleMost   = 10000 // frames without content that are allowed a second
	resetsMost = 400   // resets of requests that are allowed a second, at least

	settingsMost = 100 // frames of settings that are allowed a second: each may touch all streams
)

// calm limits what costs a client little and the server much: frames without content,
// and requests that are reset at once, by the client (CVE-2023-44487) or by the server
// because of an invalid frame (CVE-2025-8671).
type calm struct {
	second        int64
	frames, given int
	settled       int
}

// begin starts new counts if now is in another second.
func (k *calm) begin(now time.Time) {
	if s := now.Unix(); s != k.second {
		*k = calm{second: s}
	}
}

// idle counts a frame without content. False means that there are too many.
func (k *calm) idle() bool {
	k.frames++
	return k.frames <= idleMost
}

// settings counts a frame of settings. False means that there are too many.
func (k *calm) settings() bool {
	k.settled++
	return k.settled <= settingsMost
}

// reset counts a request that the client has reset. False means that there are too
// many. streams is how many requests may be open.
func (k *calm) reset(streams int) bool {
	k.given++
	return k.given <= max(resetsMost, 4*streams)
}

// recentMost is how many ended streams are remembered.
const recentMost = 32

// recent has the streams that ended last. A client may not know yet that one was
// reset. It does know that the others have ended.
type recent struct {
	ids [recentMost]uint32 // the highest bit is set if the stream was reset
	at  int
}

const wasReset = 1 << 31

func (r *recent) add(id uint32) {
	r.ids[r.at] = id
	r.at = (r.at + 1) % recentMost
}

// reset reports whether a stream was reset lately.
func (r *recent) reset(id uint32) bool { return r.has(id | wasReset) }

// ended reports whether a stream has ended lately, by a reset or otherwise.
func (r *recent) ended(id uint32) bool { return r.has(id) || r.reset(id) }

func (r *recent) has(id uint32) bool {
	for _, known := range r.ids {
		if known == id {
			return true
		}
	}
	return false
}
