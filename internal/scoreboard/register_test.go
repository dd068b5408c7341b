//go:build linux

package scoreboard

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gonicorn/gonicorn/internal/platform"
)

func TestRegister(t *testing.T) {
	r, err := CreateRegister()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fd, err := unix.Dup(r.FD())
	if err != nil {
		t.Fatal(err)
	}
	guards, err := OpenRegister(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer guards.Close()
	r.Enter(Child{PID: 10, StartTicks: 1})
	r.Enter(Child{Slot: Slots - 1, PID: 11, StartTicks: 2, Guards: true})
	r.Enter(Child{Slot: 1, PID: 12, StartTicks: 3})
	r.Clear(1)
	if got, want := guards.Children(), []Child{{0, 10, 1, false}, {Slots - 1, 11, 2, true}}; !slices.Equal(got, want) {
		t.Errorf("the guard sees %v, want %v", got, want)
	}
}

// Whoever gets hold of a descriptor of the register reads it at most.
func TestRegisterIsWrittenByItsMakerOnly(t *testing.T) {
	if platform.Portable {
		t.Skip("needs seals")
	}
	r, err := CreateRegister()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	again, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", r.FD()), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	for _, fd := range []int{r.FD(), int(again.Fd())} {
		if mem, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); !errors.Is(err, unix.EPERM) {
			t.Errorf("a mapping that can write gave %v, %v, want EPERM", mem != nil, err)
		}
		if _, err := unix.Pwrite(fd, []byte{0xff}, 0); !errors.Is(err, unix.EPERM) {
			t.Errorf("writing gave %v, want EPERM", err)
		}
		if err := unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 4096); !errors.Is(err, unix.EPERM) {
			t.Errorf("punching a hole gave %v, want EPERM", err)
		}
		if err := unix.Ftruncate(fd, 0); !errors.Is(err, unix.EPERM) {
			t.Errorf("truncating gave %v, want EPERM", err)
		}
	}
	mem, err := unix.Mmap(r.FD(), 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mem) // a whole mapping
	if err := unix.Mprotect(mem, unix.PROT_READ|unix.PROT_WRITE); !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EPERM) {
		t.Errorf("making a mapping writable gave %v", err)
	}
}
