//go:build !portable

package proc

import (
	"os/exec"
	"testing"
	"time"
)

func TestRunnableThreads(t *testing.T) {
	for script, want := range map[string]bool{"while :; do :; done": true, "read line": false} {
		cmd := exec.Command("sh", "-c", script)
		in, err := cmd.StdinPipe() // nothing comes from it
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Wait() // it is killed
		defer cmd.Process.Kill()
		pid := cmd.Process.Pid
		deadline := time.Now().Add(30 * time.Second)
		// A shell that starts runs at first: what it does later counts.
		for same := 0; same < 5; time.Sleep(10 * time.Millisecond) {
			if same++; Runnable(pid, pid) != want {
				same = 0
			}
			if time.Now().After(deadline) {
				t.Fatalf("%q: runnable is never %v", script, want)
			}
		}
	}
	if Runnable(1<<30, 1<<30) {
		t.Error("a thread that does not exist can run")
	}
}
