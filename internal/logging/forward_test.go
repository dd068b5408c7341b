package logging

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestForwardedLines(t *testing.T) {
	var got []Line
	var file bytes.Buffer
	level := &slog.LevelVar{}
	log := slog.New(All(NewHandler(&file, Options{Level: level}), NewForward(level, func(l Line) { got = append(got, l) })))
	log.With("worker", 3).WithGroup("g").Warn("it is\nlate", "by", "2 s", "error", errors.New("no"))
	log.Debug("not this")
	if len(got) != 1 || strings.Count(file.String(), "late") != 1 || strings.Contains(file.String(), "not this") {
		t.Fatalf("%d lines, file %q", len(got), file.String())
	}
	l := got[0]
	if l.Level != slog.LevelWarn || l.Message != "it is\nlate" || l.Fields["worker"] != "3" || l.Fields["g.by"] != "2 s" || l.Fields["g.error"] != "no" {
		t.Errorf("%+v", l)
	}
	if !strings.HasSuffix(l.Text, `late worker=3 g.by="2 s" g.error=no`) {
		t.Errorf("text %q", l.Text)
	}
}

func TestQueueNeverWaits(t *testing.T) {
	block, seen := make(chan struct{}), 0
	put, closed := Queue(2, func(Line) { <-block; seen++ })
	for range 100 {
		put(Line{})
	}
	close(block)
	closed()
	if seen < 2 || seen > 3 {
		t.Errorf("%d lines of a queue of two", seen)
	}
}
