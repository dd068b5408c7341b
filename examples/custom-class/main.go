// Command custom-class runs a worker class of its own under gonicorn: a TCP
// echo that knows nothing of HTTP.
package main

import (
	"github.com/gonicorn/gonicorn"
	"github.com/gonicorn/gonicorn/examples/custom-class/echo"
)

func main() {
	gonicorn.Main(nil, gonicorn.WithClass(echo.Class{})) // there is no HTTP handler
}
