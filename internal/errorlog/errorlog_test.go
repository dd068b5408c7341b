package errorlog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/logging"
)

// loglevel is for gonicorn's own lines, not for those of workers.
func TestLevels(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(&config.Config{Chdir: dir, Errorlog: "log", Gateway: config.Gateway{Loglevel: "error"}})
	if err != nil {
		t.Fatal(err)
	}
	l.Own.Info("own info")
	l.Own.Error("own error")
	l.Output.Info("output info")
	fd, closed := l.LastWords()
	if fd < 0 {
		t.Error("nobody could say a last word")
	}
	closed()
	l.Close()
	text, err := os.ReadFile(filepath.Join(dir, "log"))
	if got := string(text); err != nil || strings.Contains(got, "own info") || !strings.Contains(got, "own error") || !strings.Contains(got, "output info") {
		t.Errorf("%q %v", got, err)
	}
}

func TestALogThatCannotBeOpened(t *testing.T) {
	_, err := Open(&config.Config{Chdir: t.TempDir(), Errorlog: "no/folder", Gateway: config.Gateway{Loglevel: "info"}})
	if errcode.Of(err) != "GON025" {
		t.Error(err)
	}
	if _, err := Open(&config.Config{Gateway: config.Gateway{Loglevel: "loud"}}); err == nil || !strings.HasPrefix(err.Error(), "loglevel") {
		t.Error(err)
	}
}

func TestWhereItIs(t *testing.T) {
	for want, c := range map[string]*config.Config{
		"-":        {Errorlog: "-"},
		os.DevNull: {Errorlog: "-", Daemon: true},
		"/srv/x":   {Errorlog: "x", Chdir: "/srv", Daemon: true},
		"/var/y":   {Errorlog: "/var/y", Chdir: "/srv"},
	} {
		if path(c) != want {
			t.Errorf("%s, want %s", path(c), want)
		}
	}
	if got := SyslogApp(&config.Config{SyslogPrefix: "shop"}); got != "gonicorn.shop" {
		t.Error(got)
	}
	if got := journalFields(logging.Line{Fields: map[string]string{"worker.id": "3"}}); got["GONICORN_WORKER_ID"] != "3" {
		t.Error(got)
	}
}
