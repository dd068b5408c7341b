package resources

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/gonicorn/gonicorn/config"
)

func TestNoLimits(t *testing.T) {
	l, err := Of(&config.Config{RlimitCore: -1}, nil)
	if l != nil || err != nil || l.Base() != nil || l.Confine(0, 1) != nil {
		t.Errorf("%v %v", l, err)
	}
	own, kills, err := l.Of(0, 0)
	if own != nil || kills != nil || err != nil {
		t.Errorf("%v %v", own, err)
	}
}

// With auto each worker has one CPU, in turn; a list is for all.
func TestCPUs(t *testing.T) {
	l := &Limits{auto: []int{2, 5}}
	for id, want := range map[int]int{1: 2, 2: 5, 3: 2} {
		if own, _, err := l.Of(id, 0); err != nil || !slices.Equal(own.CPUs, []int{want}) {
			t.Errorf("worker %d: %v %v, want CPU %d", id, own, err, want)
		}
	}
	listed, err := Of(&config.Config{CPUAffinity: "0-1", RlimitCore: -1, Nice: 3}, nil)
	if err != nil || !slices.Equal(listed.Base().CPUs, []int{0, 1}) || listed.Base().Nice != 3 {
		t.Errorf("%+v %v", listed, err)
	}
	if _, err := Of(&config.Config{CPUAffinity: "x"}, nil); err == nil || !strings.Contains(err.Error(), "cpu_affinity") {
		t.Error(err)
	}
}

func TestDescriptors(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	if err := CheckDescriptors(&config.Config{WorkerConnections: 100, RlimitNofile: 163}, log); err == nil || !strings.Contains(err.Error(), "needs 164") {
		t.Error(err)
	}
	if err := CheckDescriptors(&config.Config{WorkerConnections: 100, RlimitNofile: 164}, log); err != nil || out.Len() != 0 {
		t.Error(err, out.String())
	}
	if err := CheckDescriptors(&config.Config{WorkerConnections: 1 << 40}, log); err != nil || !strings.Contains(out.String(), "raise the limit") {
		t.Error(err, out.String())
	}
}
