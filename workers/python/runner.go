package python

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/gonicorn/gonicorn/internal/wire"
)

//go:embed runner/*.py
var sources embed.FS

// program is the argument of `python3 -c`. It reads the runner from an inherited
// descriptor, so that nothing is installed or written to disk. It uses pread(2),
// because several processes share the descriptor's offset.
const program = `import json, os; fd = int(os.environ.pop("` + wire.EnvRunner + `")); ` +
	`r = json.loads(os.pread(fd, os.fstat(fd).st_size, 0)); os.close(fd); ` +
	`exec(compile(r["boot"], "<gonicorn boot>", "exec"), {"sources": r["sources"]})`

// Args is the command line of a Python that runs the runner. The program needs
// GONICORN_RUNNER_FD, the number of a descriptor of the file with Runner, and
// GONICORN_WORKER, the Settings. The first argument must be the path of the
// interpreter: Python finds its virtual environment by it.
func Args(i Interpreter) []string { return []string{i.Path, "-c", program} }

// Runner returns the content of the file that the runner is read from.
func Runner() ([]byte, error) {
	all := map[string]string{}
	boot := ""
	err := fs.WalkDir(sources, "runner", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := sources.ReadFile(name)
		if err != nil {
			return err
		}
		if module := strings.TrimSuffix(path.Base(name), ".py"); module == "boot" {
			boot = string(text)
		} else {
			all[module] = string(text)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the runner: %w", err)
	}
	text, err := json.Marshal(map[string]any{"boot": boot, "sources": all})
	if err != nil {
		return nil, fmt.Errorf("read the runner: %w", err)
	}
	return text, nil
}
