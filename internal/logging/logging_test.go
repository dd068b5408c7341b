package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTextLineIsGunicorns(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(NewHandler(&b, Options{PID: 4711}))
	log.Info("worker ready", "worker", 1, "after", 31*time.Millisecond)
	want := `^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[4711\] \[INFO\] worker ready worker=1 after=31ms\n$`
	if !regexp.MustCompile(want).MatchString(b.String()) {
		t.Errorf("got %q", b.String())
	}
}

func TestJSONLineDrivesNoTerminal(t *testing.T) {
	var b bytes.Buffer
	slog.New(NewHandler(&b, Options{JSON: true})).Info("m", "path", "/\u202e\u009b\x7f")
	for _, c := range bytes.TrimSuffix(b.Bytes(), []byte("\n")) {
		if c < ' ' || c > '~' {
			t.Errorf("byte %#x in %q", c, b.String())
		}
	}
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil || got["path"] != "/\u202e\u009b\x7f" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestTextAttributes(t *testing.T) {
	for _, c := range []struct {
		name string
		log  func(*slog.Logger)
		want string // behind the level
	}{
		{"bound", func(l *slog.Logger) { l.With("worker", 3, "pid", 9).Info("hello") }, "hello worker=3 pid=9"},
		{"quoted", func(l *slog.Logger) { l.Info("m", "a", "two words", "b", `"`, "c", "", "d", "x=y") }, `m a="two words" b="\"" c="" d="x=y"`},
		{"error", func(l *slog.Logger) { l.Info("m", "error", errors.New("line\nbreak")) }, `m error="line\nbreak"`},
		{"group", func(l *slog.Logger) { l.WithGroup("g").With("a", 1).Info("m", slog.Group("h", "b", 2)) }, "m g.a=1 g.h.b=2"},
		{"hostile value", func(l *slog.Logger) { l.Info("m", "a", "\x1b[31m\u202e") }, `m a="\x1b[31m\u202e"`},
		{"hostile key", func(l *slog.Logger) { l.Info("m", "a\nb", 1) }, `m a\nb=1`},
		{"several lines", func(l *slog.Logger) { l.Info("first\n[x] [1] [INFO] forged\x07") }, "first\n    [x] [1] [INFO] forged\\a"},
		{"one byte of many", func(l *slog.Logger) { l.Info("\xff é") }, `\xff é`},
	} {
		var b bytes.Buffer
		c.log(slog.New(NewHandler(&b, Options{})))
		if _, got, _ := strings.Cut(b.String(), "[INFO] "); got != c.want+"\n" {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestLevels(t *testing.T) {
	var b bytes.Buffer
	level := new(slog.LevelVar)
	log := slog.New(NewHandler(&b, Options{Level: level}))
	log.Debug("hidden")
	level.Set(LevelCritical)
	log.Error("hidden")
	log.Log(t.Context(), LevelCritical, "shown")
	level.Set(slog.LevelDebug)
	log.Debug("shown")
	if got := b.String(); strings.Contains(got, "hidden") || !strings.Contains(got, "[CRITICAL] shown") || !strings.Contains(got, "[DEBUG] shown") {
		t.Errorf("got %q", got)
	}
	for _, name := range []string{"debug", "info", "warning", "error", "critical"} {
		l, err := ParseLevel(strings.ToUpper(name))
		if err != nil || !strings.EqualFold(levelName(l), name) {
			t.Errorf("%s is read as %v, %v", name, l, err)
		}
	}
	if _, err := ParseLevel("loud"); err == nil {
		t.Error("a level that is none was taken")
	}
}

func TestColorIsOnlyAroundText(t *testing.T) {
	var plain, colored bytes.Buffer
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError, LevelCritical} {
		for w, color := range map[*bytes.Buffer]bool{&plain: false, &colored: true} {
			slog.New(NewHandler(w, Options{Color: color, Level: slog.LevelDebug, PID: 1})).Log(t.Context(), level, "m", "a", 1)
		}
	}
	if strings.Contains(plain.String(), "\x1b") {
		t.Error("colours where none are wanted")
	}
	stamp := regexp.MustCompile(`\d\d:\d\d:\d\d`)
	stripped := regexp.MustCompile(`\x1b\[[0-9;]*m`).ReplaceAllString(colored.String(), "")
	if stamp.ReplaceAllString(stripped, "") != stamp.ReplaceAllString(plain.String(), "") {
		t.Errorf("without its colours %q is not %q", stripped, plain.String())
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(NewHandler(&b, Options{JSON: true, PID: 4711}))
	log.Warn("m", "after", 1500*time.Millisecond)
	log.With("worker", 2, "pid", 9).Info("line\x1b\xff")
	log.Error("m", "pid", 7)
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	for i, want := range []map[string]any{
		{"level": "warning", "msg": "m", "pid": 4711.0, "after": "1.5s"},
		{"level": "info", "msg": "line\x1b\ufffd", "pid": 9.0, "worker": 2.0},
		{"level": "error", "pid": 7.0},
	} {
		var got map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		for k, v := range want {
			if got[k] != v {
				t.Errorf("line %d: %s is %v, want %v", i, k, got[k], v)
			}
		}
		if n := strings.Count(lines[i], `"pid":`); n != 1 {
			t.Errorf("line %d has %d pids: %s", i, n, lines[i])
		}
	}
}
