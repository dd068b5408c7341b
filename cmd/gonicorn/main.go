//go:build !windows

// Command gonicorn runs an app in any language under an arbiter: see
// gonicorn --help.
package main

import (
	"os"

	"github.com/gonicorn/gonicorn/cmd/cli"
	"github.com/gonicorn/gonicorn/cmd/gonicorn/demo"
)

func main() {
	os.Exit(cli.Main(os.Args, cli.Options{Handler: demo.Handler()}))
}
