package signals

import (
	"os"
	"syscall"
	"testing"
)

func TestGunicornsTable(t *testing.T) {
	for sig, want := range map[os.Signal]Action{
		syscall.SIGTERM: Stop, syscall.SIGINT: Quit, syscall.SIGQUIT: Quit, syscall.SIGHUP: Reload,
		syscall.SIGTTIN: Increase, syscall.SIGTTOU: Decrease, syscall.SIGUSR1: Reopen, syscall.SIGUSR2: Upgrade,
		syscall.SIGWINCH: Drain, syscall.SIGCHLD: Child, syscall.SIGPIPE: None, syscall.SIGALRM: None,
	} {
		if got := ActionOf(sig); got != want {
			t.Errorf("%v asks for %v, want %v", sig, got, want)
		}
	}
}

func TestAllAreKnown(t *testing.T) {
	for _, sig := range All() {
		if ActionOf(sig) == None {
			t.Errorf("%v is subscribed to and means nothing", sig)
		}
	}
	if got := Action(99).String(); got != "unknown" {
		t.Errorf("an action that is none is called %q", got)
	}
}
