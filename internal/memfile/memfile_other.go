//go:build !linux || portable

package memfile

import (
	"fmt"
	"os"
	"strings"

	"github.com/gonicorn/gonicorn/internal/platform"
	"golang.org/x/sys/unix"
)

// Seals says whether Protect does anything.
const Seals = false

// New makes a file of this size. No child inherits the descriptor. The caller closes
// it.
func New(name string, size int64) (fd int, err error) {
	var f *os.File
	for _, dir := range platform.TempDirs() {
		if f, err = os.CreateTemp(dir, strings.ReplaceAll(name, "/", "-")); err == nil {
			break
		}
	}
	if f == nil {
		return -1, fmt.Errorf("%w; set TMPDIR to a folder that can be written to", err)
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return -1, err
	}
	if err := f.Truncate(size); err != nil {
		return -1, err
	}
	return unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
}

// Protect does nothing: there are no seals here.
func Protect(int, Seal) error { return nil }
