package proc

import (
	"fmt"
	"os"
	"strings"
	"unsafe"
)

// argv is the memory into which the kernel put this process's arguments, and which
// ps reads. Before main runs, os.Args gets copies of the arguments, since flags and
// config keep parts of them that SetTitle must not change.
var argv = claimArguments()

func claimArguments() []byte {
	if len(os.Args) == 0 || len(os.Args[0]) == 0 {
		return nil
	}
	// The arguments are adjacent, each with a final NUL (execve(2)).
	first := unsafe.StringData(os.Args[0])
	room := 0
	for _, arg := range os.Args {
		if len(arg) == 0 || unsafe.StringData(arg) != (*byte)(unsafe.Add(unsafe.Pointer(first), room)) {
			break
		}
		room += len(arg) + 1
	}
	for i, arg := range os.Args {
		os.Args[i] = strings.Clone(arg)
	}
	return unsafe.Slice(first, room)
}

// SetTitle changes how ps shows this process: the title replaces the arguments, as
// far as their memory has room, and its first 15 bytes replace the name.
func SetTitle(title string) {
	// On Linux the main thread's name is the process's name. An error is ignored.
	_ = os.WriteFile(fmt.Sprintf("/proc/self/task/%d/comm", os.Getpid()), []byte(title), 0)
	if len(argv) == 0 {
		return
	}
	n := copy(argv[:len(argv)-1], title)
	clear(argv[n:])
}
