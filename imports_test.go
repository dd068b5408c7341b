//go:build !race

package gonicorn_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"strings"
	"testing"
)

// law says which of our packages a package may import.
type law struct{ who, may string }

// laws are the section "Who imports whom" of docs/ARCHITECTURE.md. "x/..." is x
// and everything below it, "-x" forbids x, and "." is the package for programs.
// The longest name that matches a package is its law.
var laws = []law{
	{".", "cmd/cli config workers workers/handler"},
	{"cmd/gonicorn/...", "cmd/cli cmd/gonicorn/demo workers/handler"},
	{"cmd/cli/...", "cmd/cli/... config gateway/process monitor workers workers/handler workers/python internal/..."},
	// The engine: it may import all parts, and only cmd/cli may import it.
	{"internal/supervise", "arbiter config gateway/process monitor signals workers/... internal/..."},
	{"arbiter", "signals internal/notify internal/platform internal/proc internal/scoreboard internal/status internal/wire"},
	{"monitor", "internal/operatorapi internal/inherited internal/listen internal/logging internal/notify internal/proc internal/scoreboard internal/status"},
	{"gateway", "internal/wire"},
	{"gateway/...", "gateway/... -gateway/process internal/certificates internal/fifo internal/listen internal/memfile internal/packet internal/scoreboard internal/wire internal/logging"},
	{"gateway/process", "config gateway/... internal/... -internal/supervise -internal/launch -internal/gateways -internal/hooks"},
	{"workers", "internal/scoreboard"},
	{"workers/...", "workers internal/... -internal/supervise -internal/launch -internal/gateways -internal/hooks"},
	{"config", ""},
	{"signals", ""},
	// The parts of the engine. launch and template import the arbiter, since they
	// implement what it starts workers with: arbiter.Launcher and Refork.
	{"internal/hooks", "config internal/proc internal/wire workers/python"},
	{"internal/guard", "internal/logging internal/proc internal/scoreboard internal/wire"},
	{"internal/ledgerload", "internal/scoreboard"},
	{"internal/certificates", ""}, {"internal/certificates/testca", ""}, {"internal/cgroup", ""}, {"internal/discover", ""}, {"internal/envfile", ""}, {"internal/errcode", ""}, {"internal/operatorapi", ""}, {"internal/fifo", ""}, {"internal/listen", ""}, {"internal/logging", ""},
	{"internal/pidfile", ""}, {"internal/scoreboard", "internal/memfile"}, {"internal/syslog", ""}, {"internal/version", ""}, {"internal/watch", ""}, {"internal/wire", ""},
	{"internal/gatewaylink", "internal/memfile internal/packet internal/wire"}, {"internal/memfile", "internal/platform"}, {"internal/platform", ""}, {"internal/packet", ""}, {"internal/notify", "internal/platform internal/wire"}, {"internal/status", "internal/scoreboard"},
	{"internal/errorlog", "config internal/errcode internal/logging internal/proc internal/syslog"},
	{"internal/launch", "arbiter config internal/gatewaylink internal/errorlog internal/listen internal/logging internal/notify internal/proc internal/resources internal/scoreboard internal/wire workers/python"},
	{"internal/daemon", "internal/errcode internal/proc"},
	{"internal/upgrade", "internal/daemon internal/errcode internal/launch internal/proc internal/sockets internal/wire signals"},
	{"internal/template", "arbiter internal/gatewaylink internal/errcode internal/launch internal/proc internal/wire workers/python"},
	{"internal/resources", "config internal/cgroup internal/platform internal/proc"},
	{"internal/servicemanager", "internal/listen internal/notify internal/sockets internal/wire"},
	{"internal/sockets", "internal/errcode internal/listen internal/status internal/wire"},
	{"internal/gateways", "internal/gatewaylink internal/wire"},
	{"internal/inherited", "internal/listen internal/proc internal/scoreboard internal/wire"},
	{"internal/proc", "internal/scoreboard internal/wire"},
	{"internal/top", "internal/operatorapi internal/scoreboard internal/status"},
	{"examples/...", ". config examples/... workers"},
	{"docs", ""}, {"e2e", "internal/platform"}, {"tools/...", ""}, {"bench/...", ""},
}

// fits reports whether a pattern matches a package.
func fits(pattern, name string) bool {
	prefix, below := strings.CutSuffix(pattern, "/...")
	return name == prefix || below && strings.HasPrefix(name, prefix+"/")
}

// lawOf returns the law of a package.
func lawOf(name string) (best law, found bool) {
	for _, l := range laws {
		// Between x and x/..., the one without dots takes precedence.
		if fits(l.who, name) && (!found || l.who == name || best.who != name && len(l.who) > len(best.who)) {
			best, found = l, true
		}
	}
	return best, found
}

// breaks reports whether the law forbids importing a package.
func (l law) breaks(other string) bool {
	allowed := false
	for _, may := range strings.Fields(l.may) {
		if not, is := strings.CutPrefix(may, "-"); is && fits(not, other) {
			return true
		}
		allowed = allowed || fits(may, other)
	}
	return !allowed
}

// Each package has a law and keeps to it.
func TestImportLaws(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	short := func(name string) string {
		return path.Clean("./" + strings.TrimPrefix(strings.TrimPrefix(name, module), "/"))
	}
	packages := 0
	for all := json.NewDecoder(bytes.NewReader(out)); ; packages++ {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := all.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := short(p.ImportPath)
		l, found := lawOf(name)
		if !found {
			t.Errorf("there is no law for %s: write one down", name)
		}
		for _, other := range p.Imports {
			if strings.HasPrefix(other, module) && l.breaks(short(other)) {
				t.Errorf("%s imports %s, and may import: %s", name, short(other), l.may)
			}
		}
	}
	if packages < 30 {
		t.Errorf("only %d packages were looked at", packages)
	}
}

// The laws forbid what they are meant to forbid.
func TestImportLawsForbid(t *testing.T) {
	for who, others := range map[string]string{
		"arbiter":            "workers workers/python config cmd/cli gateway",
		"workers":            "arbiter config cmd/cli internal/proc",
		"workers/python":     "arbiter cmd/cli config",
		"config":             "internal/wire cmd/cli arbiter",
		"gateway":            "gateway/http1 internal/proc",
		"gateway/http1":      "gateway/process cmd/cli arbiter config workers",
		"internal/proc":      "internal/notify arbiter",
		"internal/launch":    "cmd/cli gateway gateway/http1 monitor . internal/supervise internal/upgrade",
		"internal/hooks":     "arbiter cmd/cli gateway internal/supervise",
		"internal/gateways":  "arbiter gateway config",
		"internal/resources": "arbiter gateway workers",
		"cmd/cli":            "arbiter signals gateway/accept",
		"monitor":            "arbiter gateway config",
		"cmd/gonicorn":       "arbiter",
		"examples/example":   "cmd/cli arbiter internal/proc",
	} {
		l, found := lawOf(who)
		if !found {
			t.Errorf("no law for %s", who)
		}
		for other := range strings.FieldsSeq(others) {
			if !l.breaks(other) {
				t.Errorf("%s may import %s", who, other)
			}
		}
	}
}
