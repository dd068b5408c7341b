package pidfile

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

const envHold = "PIDFILE_TEST_HOLD"

// TestMain is also the process that holds a pidfile until it is killed.
func TestMain(m *testing.M) {
	if path := os.Getenv(envHold); path != "" {
		if _, err := Create(path, os.Getpid()); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("held")
		select {}
	}
	os.Exit(m.Run())
}

func TestLiveProcessIsToldFromAKilledOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "g.pid")
	holder := exec.Command(os.Args[0])
	holder.Env = append(os.Environ(), envHold+"="+path)
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("the holder says %q, %v", line, err)
	}
	var held *HeldError
	if _, err := Create(path, 4712); !errors.As(err, &held) || held.PID != holder.Process.Pid {
		t.Errorf("Create gave %v, want it held by %d", err, holder.Process.Pid)
	} else if !strings.Contains(err.Error(), fmt.Sprintf("kill %d", held.PID)) {
		t.Errorf("%v does not say what to type", err)
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait() // killed
	f, err := Create(path, 4712)
	if err != nil {
		t.Fatalf("a dead process's pidfile: %v", err)
	}
	if text, _ := os.ReadFile(path); string(text) != "4712\n" {
		t.Errorf("the file has %q", text)
	}
	if err := f.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Remove: %v", err)
	}
}

func TestOnlyPidfilesAreReplaced(t *testing.T) {
	for text, stale := range map[string]bool{
		"": true, "1\n": true, "1234567890\r\n": true, "\x00\x00\x00\x00": true, " 42 ": true,
		"import this\n": false, "-1\n": false, strings.Repeat("1", 40): false, "1\nand more\n": false,
	} {
		path := filepath.Join(t.TempDir(), "g.pid")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := Create(path, 42)
		if stale != (err == nil) || !stale && !errors.Is(err, ErrNotPidfile) {
			t.Errorf("a file of %q: %v", text, err)
		}
		want := text
		if stale {
			want = "42\n"
		}
		if got, _ := os.ReadFile(path); string(got) != want {
			t.Errorf("a file of %q has %q now", text, got)
		}
		if f != nil {
			f.Remove()
		}
	}
}

func TestRemoveLeavesAnothersFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "g.pid")
	f, err := Create(path, 42)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := Create(path, 43)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Remove()
	if err := f.Remove(); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); string(text) != "43\n" {
		t.Fatalf("another's pidfile has %q", text)
	}
}

// However many try, there is never more than one holder.
func TestOneHolderAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "g.pid")
	var holders, times int
	var mu sync.Mutex
	count := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		if holders += n; holders > 1 {
			t.Errorf("%d holders", holders)
		}
		times++
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 200 {
				f, err := Create(path, 100+i)
				if err != nil {
					if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.As(err, new(*HeldError)) {
						t.Error(err)
					}
					continue
				}
				count(1)
				count(-1)
				if err := f.Remove(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if times == 0 {
		t.Error("nobody ever held it")
	}
}

func TestNoPlaceForAPidfile(t *testing.T) {
	dir := t.TempDir()
	if _, err := Create(filepath.Join(dir, "no", "g.pid"), 1); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "mkdir -p") {
		t.Errorf("a missing folder gave %v", err)
	}
	if _, err := Create(dir, 1); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("a folder gave %v", err)
	}
	if _, err := Create("/dev/null", 1); !errors.Is(err, ErrNotPidfile) {
		t.Errorf("a device gave %v", err)
	}
}

// Whoever could write the file could have root signal any process: kill $(cat F).
func TestRootsPidfileIsRootsAlone(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	victim, path := filepath.Join(dir, "victim"), filepath.Join(dir, "g.pid")
	if err := os.WriteFile(victim, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, link := range map[string]func(string, string) error{"symbolic": os.Symlink, "hard": os.Link} {
		if err := link(victim, path); err != nil {
			t.Fatal(err)
		}
		if _, err := Create(path, 1); err == nil {
			t.Errorf("a %s link was written to", name)
		}
		os.Remove(path)
	}
	if err := os.WriteFile(path, []byte("1\n"), 0o666); err != nil { // of a gonicorn that gave it away
		t.Fatal(err)
	}
	if err := errors.Join(os.Chown(path, 65534, 65534), os.Chmod(path, 0o666)); err != nil {
		t.Fatal(err)
	}
	f, err := Create(path, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Remove()
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil || st.Uid != 0 || st.Mode&0o777 != 0o644 {
		t.Errorf("it belongs to %d with mode %o, %v", st.Uid, st.Mode&0o777, err)
	}
}
