package proc

import "time"

// Use is what all processes of a process group use together.
type Use struct {
	RSS int64         // resident bytes
	CPU time.Duration // used since their start
}
