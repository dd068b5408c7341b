//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"github.com/gonicorn/gonicorn"
	"golang.org/x/sys/unix"
)

// order is what hostile workers are told to do: python/hostile_app.py has the
// same attacks.
type order struct {
	Attack  string   `json:"attack"`
	PIDs    []int    `json:"pids"`
	Numbers []int64  `json:"numbers"`
	Secrets []string `json:"secrets"`
	Files   []string `json:"files"`
	Sockets []string `json:"sockets"`
	Notify  string   `json:"notify"`
	Rounds  int      `json:"rounds"`
}

// playHostile is a Go program whose handler attacks.
func playHostile() {
	gonicorn.Main(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if len(body) == 0 {
			fmt.Fprintf(w, "pid %d", os.Getpid())
			return
		}
		var o order
		if err := json.Unmarshal(body, &o); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		attacks := map[string]func(order) []string{
			"memory": attackMemory, "signals": attackSignals, "inspect": attackProc, "files": attackFiles,
			"notify": attackNotify, "garbage": attackGarbage, "reopen": attackReopen,
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"pid": os.Getpid(), "reached": attacks[o.Attack](o)})
	}))
}

// attackMemory writes to every shared mapping that can be written.
func attackMemory(o order) []string {
	maps, _ := os.ReadFile("/proc/self/maps")
	for _, n := range append([]int64{-1}, o.Numbers...) {
		pattern := unsafe.Slice((*byte)(unsafe.Pointer(&n)), 8)
		for line := range strings.Lines(string(maps)) {
			var start, end uintptr
			var mode string
			if _, err := fmt.Sscanf(line, "%x-%x %s", &start, &end, &mode); err != nil || mode != "rw-s" {
				continue
			}
			at := *(*unsafe.Pointer)(unsafe.Pointer(&start)) // the address is a number that only /proc knows
			copy(unsafe.Slice((*byte)(at), end-start), bytes.Repeat(pattern, int(end-start)/len(pattern)))
		}
	}
	return nil
}

func attackSignals(o order) (reached []string) {
	for _, pid := range o.PIDs {
		if pid == os.Getpid() {
			continue
		}
		for _, target := range []int{pid, -pid} {
			for _, sig := range []unix.Signal{unix.SIGKILL, unix.SIGSTOP, unix.SIGTERM, unix.SIGABRT} {
				if unix.Kill(target, sig) == nil {
					reached = append(reached, fmt.Sprintf("%d by %v", target, sig))
				}
			}
		}
	}
	return reached
}

func attackProc(o order) (reached []string) {
	for _, pid := range o.PIDs {
		if pid == os.Getpid() {
			continue
		}
		for name, flags := range map[string]int{"mem": os.O_RDWR, "environ": os.O_RDONLY} {
			path := fmt.Sprintf("/proc/%d/%s", pid, name)
			if f, err := os.OpenFile(path, flags, 0); err == nil {
				reached = append(reached, path)
				f.Close()
			}
		}
		if fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)); err == nil {
			for _, fd := range fds {
				if _, err := os.Stat(fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name())); err == nil {
					reached = append(reached, fmt.Sprintf("%d fd %s", pid, fd.Name()))
				}
			}
		}
		for _, secret := range o.Secrets {
			if strings.Contains(cmdline(pid), secret) {
				reached = append(reached, fmt.Sprintf("%d cmdline", pid))
			}
		}
	}
	own, _ := os.ReadFile("/proc/self/environ")
	for _, secret := range o.Secrets {
		if strings.Contains(string(own), secret) {
			reached = append(reached, "its own environment")
		}
	}
	return reached
}

func attackFiles(o order) (reached []string) {
	for _, path := range o.Files {
		if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
			f.Close()
			reached = append(reached, path)
		}
		if os.Rename(path, path+".x") == nil || os.Remove(path) == nil {
			reached = append(reached, path)
		}
	}
	for _, path := range o.Sockets {
		c, err := net.Dial("unix", path)
		if err != nil {
			continue
		}
		fmt.Fprintf(c, "GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
		if n, _ := c.Read(make([]byte, 100)); n > 0 {
			reached = append(reached, path)
		}
		c.Close()
	}
	return reached
}

func attackNotify(o order) []string {
	for range o.Rounds {
		for _, text := range []string{"\xff\xff", "=", "READY", "STATUS=\x1b[2J\x00", strings.Repeat("A", 8192), "MAINPID=1", "BARRIER=1", "FDSTORE=1"} {
			if c, err := net.Dial("unixgram", o.Notify); err == nil {
				_, _ = io.WriteString(c, text)
				c.Close()
			}
		}
	}
	return nil
}

// attackGarbage writes garbage to every pipe and socket but standard output,
// where Go's own lines go.
func attackGarbage(order) []string {
	fds, _ := os.ReadDir("/proc/self/fd")
	garbage := bytes.Repeat([]byte("\xff\x00{["), 4096)
	for _, name := range fds {
		fd, _ := strconv.Atoi(name.Name())
		var st unix.Stat_t
		if fd < 3 || unix.Fstat(fd, &st) != nil {
			continue
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFSOCK:
			_ = unix.Sendto(fd, garbage, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil)
		case unix.S_IFIFO:
			if unix.SetNonblock(fd, true) == nil {
				_, _ = unix.Write(fd, garbage)
			}
		}
	}
	return nil
}

// attackReopen opens the pipes that it has to read from in order to write to them.
func attackReopen(order) []string {
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		path := "/proc/self/fd/" + fd.Name()
		if info, err := os.Stat(path); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
			continue
		}
		if f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0); err == nil {
			_, _ = f.Write(bytes.Repeat([]byte{0xff}, 4096)) // it is to do harm, not to succeed
			f.Close()
		}
	}
	return nil
}
