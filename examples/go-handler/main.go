// Command go-handler is a Go program that runs its handler under gonicorn: the
// arbiter and its workers are this one binary.
package main

import (
	"fmt"
	"net/http"

	"github.com/gonicorn/gonicorn"
)

func main() {
	gonicorn.Main(http.HandlerFunc(hello)) // it exits when gonicorn has stopped
}

func hello(w http.ResponseWriter, r *http.Request) {
	worker, ok := gonicorn.FromContext(r.Context())
	if !ok {
		http.Error(w, "not under gonicorn", http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, "Hello from worker %d, pid %d, generation %d, request %d\n",
		worker.ID, worker.PID, worker.Generation, worker.Requests)
}
