//go:build linux

package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// step is one command of a guide, and what it shows there.
type step struct {
	command string
	want    []string
}

// readGuide takes the files and the commands out of a guide: blocks of a
// language with file=NAME, and blocks of console, whose commands begin with $.
func readGuide(t *testing.T, path string) (files map[string]string, steps []step) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files = map[string]string{}
	blocks := regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	for _, b := range blocks {
		if _, name, is := strings.Cut(b[1], " file="); is {
			files[name] = b[2]
			continue
		}
		if b[1] != "console" {
			continue
		}
		for line := range strings.Lines(b[2]) {
			line = strings.TrimRight(line, "\n")
			if command, is := strings.CutPrefix(line, "$ "); is {
				steps = append(steps, step{command: command})
			} else if n := len(steps); n > 0 {
				steps[n-1].want = append(steps[n-1].want, line)
			}
		}
	}
	return files, steps
}

// matches compares what a command said with what the guide shows: ... stands
// for anything, a line of its own for any lines.
func matches(want []string, said string) bool {
	var re strings.Builder
	re.WriteString(`(?s)^`)
	for _, line := range want {
		if line == "..." {
			re.WriteString(`(.*\n)?`)
			continue
		}
		parts := strings.Split(line, "...")
		for i := range parts {
			parts[i] = strings.ReplaceAll(regexp.QuoteMeta(parts[i]), " ", ` +`)
		}
		re.WriteString(strings.Join(parts, `[^\n]*`) + `\n`)
	}
	re.WriteString(`$`)
	return regexp.MustCompile(re.String()).MatchString(said)
}

// guide runs the commands of one guide, one after the other, in a folder of its
// own.
type guide struct {
	t     *testing.T
	dir   string
	env   []string
	ports map[string]string // of the guide, and those used in their place
}

func (g *guide) shell(command string) *exec.Cmd {
	for theirs, ours := range g.ports {
		command = strings.ReplaceAll(command, theirs, ours)
	}
	cmd := exec.Command("/bin/bash", "-c", command)
	cmd.Dir, cmd.Env = g.dir, g.env
	return cmd
}

// begin starts a server, as a command with & behind it does, and waits until it
// can be asked.
func (g *guide) begin(command string) {
	g.t.Helper()
	log, err := os.Create(filepath.Join(g.dir, "log"))
	if err != nil {
		g.t.Fatal(err)
	}
	cmd := g.shell("exec " + command)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the guide's own commands say what is wrong
		close(ended)
	}()
	g.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if text, err := os.ReadFile(log.Name()); err == nil && g.t.Failed() {
			g.t.Logf("gonicorn wrote:\n%s", text)
		}
		log.Close()
	})
	eventually(g.t, command+" serves", func() bool {
		text, _ := os.ReadFile(log.Name())
		return strings.Contains(string(text), "[INFO] ready")
	})
	g.t.Cleanup(func() {
		if g.t.Failed() { // it was not told to stop
			return
		}
		select {
		case <-ended:
		case <-time.After(bound):
			g.t.Errorf("%s still runs", command)
		}
	})
}

// The guides' commands do what the guides say.
func TestGuides(t *testing.T) {
	t.Parallel()
	paths, _ := filepath.Glob("../docs/guides/*.md")
	if len(paths) < 8 {
		t.Fatalf("%d guides", len(paths))
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".md"), func(t *testing.T) {
			t.Parallel()
			files, steps := readGuide(t, path)
			if len(steps) == 0 {
				if filepath.Base(path) == "macos.md" {
					t.Skip("it is about another system, and has no commands")
				}
				t.Fatal("there is no command in it")
			}
			dir, ports := t.TempDir(), map[string]string{}
			for _, theirs := range []string{"8000", "9100"} {
				_, ports[theirs], _ = net.SplitHostPort(freePort(t)) // it is an address
			}
			for name, text := range files {
				for theirs, ours := range ports {
					text = strings.ReplaceAll(text, theirs, ours)
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			g := &guide{t: t, dir: dir, ports: ports, env: append(cleanEnv(),
				"PATH="+filepath.Dir(binaryAs(t, "gonicorn"))+":"+filepath.Dir(interpreter(t))+":"+os.Getenv("PATH"),
				"XDG_RUNTIME_DIR="+dir, "HOME="+dir, "PYTHONUNBUFFERED=1")}
			for _, s := range steps {
				if server, is := strings.CutSuffix(s.command, " &"); is {
					g.begin(server)
					continue
				}
				ctx, cancel := context.WithTimeout(context.Background(), 2*bound)
				cmd := g.shell(s.command)
				var out []byte
				done := make(chan error, 1)
				go func() {
					var err error
					out, err = cmd.CombinedOutput()
					done <- err
				}()
				var err error
				select {
				case err = <-done:
				case <-ctx.Done():
					t.Fatalf("%s does not end", s.command)
				}
				cancel()
				said := string(out)
				for theirs, ours := range g.ports {
					said = strings.ReplaceAll(said, ours, theirs)
				}
				if err != nil || !matches(s.want, said) {
					t.Fatalf("$ %s\n%v, said:\n%s\nthe guide shows:\n%s", s.command, err, said, strings.Join(s.want, "\n"))
				}
				if s.command == "gonicorn stop" {
					eventually(t, "it has stopped", func() bool { return g.shell("gonicorn status").Run() != nil })
				}
			}
		})
	}
}

// binaryAs is the binary under this name.
func binaryAs(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(binary(), path); err != nil {
		t.Fatal(fmt.Errorf("name the binary: %w", err))
	}
	return path
}
