package proc

import (
	"fmt"
	"os"
	"strings"
	"unsafe"
)

// argv is the memory that the kernel made of this process's arguments and that
// ps reads. os.Args is given copies of its text before main runs, since flags
// and config keep parts of it that SetTitle must not change.
var argv = claimArguments()

func claimArguments() []byte {
	if len(os.Args) == 0 || len(os.Args[0]) == 0 {
		return nil
	}
	// The arguments stand in a row, each with its NUL (execve(2)).
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

// SetTitle changes how ps shows this process: the title takes the place of the
// arguments, as far as their memory has room, and its first 15 bytes that of
// the name.
func SetTitle(title string) {
	// The main thread's name is the process's, on Linux. A title is worth no error.
	_ = os.WriteFile(fmt.Sprintf("/proc/self/task/%d/comm", os.Getpid()), []byte(title), 0)
	if len(argv) == 0 {
		return
	}
	n := copy(argv[:len(argv)-1], title)
	clear(argv[n:])
}
