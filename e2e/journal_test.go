//go:build linux

package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Where standard error is the journal, lines go there with fields, and only once.
func TestLinesInTheJournalHaveFields(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root for a mount namespace")
	}
	dir, app := t.TempDir(), confFolder(t, "")
	journal, err := net.ListenPacket("unixgram", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	const script = `mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && ` +
		`mount --bind "$JOURNAL" /run/systemd/journal && export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2)`
	s := startWith(t, options{
		dir: app, shell: script, env: []string{"JOURNAL=" + dir}, attr: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS},
	}, "versioned:app", "-b", "127.0.0.1:0", "-w", "1", "--python", interpreter(t))
	expectPackets(t, journal, "MESSAGE=listening at", "SYSLOG_IDENTIFIER=gonicorn", "PRIORITY=6", "MESSAGE=worker ready", "GONICORN_WORKER=1", "MESSAGE=ready")
	s.stop()
	expectPackets(t, journal, "MESSAGE=gonicorn has stopped")
	if text := s.log.text(); strings.Contains(text, "ready") {
		t.Errorf("standard error has it as well:\n%s", text)
	}
}
