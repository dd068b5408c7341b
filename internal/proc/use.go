package proc

import "time"

// Use is what a process group uses, all its processes together.
type Use struct {
	RSS int64         // resident bytes
	CPU time.Duration // taken since their start
}
