// Command go-handler is a Go program that is its own gonicorn.
package main

import (
	"fmt"
	"net/http"

	"github.com/gonicorn/gonicorn"
	"github.com/gonicorn/gonicorn/workers/handler"
)

func main() {
	gonicorn.Main(http.HandlerFunc(hello))
}

func hello(w http.ResponseWriter, r *http.Request) {
	worker, _ := handler.FromContext(r.Context())
	fmt.Fprintf(w, "hello from worker %d, pid %d\n", worker.ID, worker.PID)
}
