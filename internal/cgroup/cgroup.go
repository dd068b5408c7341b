// Package cgroup gives each worker a cgroup of its own (cgroups(7), version 2), if the
// system has delegated this process's cgroup to it.
package cgroup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrNotDelegated says that this process may not make cgroups below its own cgroup.
var ErrNotDelegated = errors.New("its cgroup (version 2) is not delegated to it; under systemd set Delegate=yes in the unit")

// leaf is the cgroup that the arbiter itself moves into, because only leaves may
// contain processes.
const leaf = "gonicorn"

// Tree is the cgroup of this process, with one below it for each worker.
type Tree struct{ dir string }

// Open prepares the cgroup of the process pid, so that workers' cgroups can be made
// below it: all processes in it move into a leaf. root is the root of the file system,
// / except in tests. It fails with ErrNotDelegated if the system does not allow that.
func Open(root string, pid int) (*Tree, error) {
	dir, err := find(root)
	if err != nil {
		return nil, err
	}
	t := &Tree{dir: dir}
	own := filepath.Join(dir, leaf)
	if err := os.Mkdir(own, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w: %w", ErrNotDelegated, err)
	}
	members, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil, fmt.Errorf("read cgroup: %w", err)
	}
	for _, member := range append(strings.Fields(string(members)), strconv.Itoa(pid)) {
		// An error for another process does not matter: it may have ended.
		if err := write(own, "cgroup.procs", member); err != nil && member == strconv.Itoa(pid) {
			return nil, fmt.Errorf("%w: %w", ErrNotDelegated, err)
		}
	}
	if err := write(dir, "cgroup.subtree_control", "+memory +cpu"); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotDelegated, err)
	}
	return t, nil
}

// find is the folder of this process's cgroup.
func find(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return "", fmt.Errorf("find cgroup: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if path, is := strings.CutPrefix(strings.TrimSpace(line), "0::"); is {
			dir := filepath.Join(root, "sys/fs/cgroup", path)
			if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil {
				return strings.TrimSuffix(dir, "/"+leaf), nil
			}
		}
	}
	return "", ErrNotDelegated
}

// Limits are the limits of a worker.
type Limits struct {
	MemoryMax int64 // bytes; 0 is no limit
	CPUWeight int   // 1 to 10000; 0 is the default, 100
}

// Group is one worker's cgroup. Its folder is open, so that the worker can start in it.
type Group struct {
	dir  string
	file *os.File
}

// Make makes the cgroup of a worker. The caller removes it.
func (t *Tree) Make(name string, l Limits) (*Group, error) {
	g := &Group{dir: filepath.Join(t.dir, name)}
	if err := os.Mkdir(g.dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make cgroup: %w", err)
	}
	limit, weight := "max", "100"
	if l.MemoryMax > 0 {
		limit = strconv.FormatInt(l.MemoryMax, 10)
	}
	if l.CPUWeight > 0 {
		weight = strconv.Itoa(l.CPUWeight)
	}
	err := errors.Join(write(g.dir, "memory.max", limit), write(g.dir, "cpu.weight", weight))
	if err == nil {
		g.file, err = os.Open(g.dir)
	}
	if err != nil {
		_ = os.Remove(g.dir) // the first error says more
		return nil, fmt.Errorf("make cgroup: %w", err)
	}
	return g, nil
}

// FD is the descriptor of the group's folder.
func (g *Group) FD() int { return int(g.file.Fd()) }

// Add moves a process into the group.
func (g *Group) Add(pid int) error { return write(g.dir, "cgroup.procs", strconv.Itoa(pid)) }

// OOMKills counts the processes of the group that were killed because memory ran out.
func (g *Group) OOMKills() int {
	text, err := os.ReadFile(filepath.Join(g.dir, "memory.events"))
	if err != nil {
		return 0
	}
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		if n, is := strings.CutPrefix(s.Text(), "oom_kill "); is {
			count, _ := strconv.Atoi(n)
			return count
		}
	}
	return 0
}

// Remove removes the group. It fails if a process is still in it.
func (g *Group) Remove() error {
	g.file.Close()
	if err := os.Remove(g.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove cgroup: %w", err)
	}
	return nil
}

func write(dir, file, text string) error {
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
