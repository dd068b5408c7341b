// Package demo is the app inside the gonicorn command. It is there to try
// gonicorn without an app, and to break in tests.
package demo

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/workers/handler"
)

// envFaults enables the paths that hang, crash and leak.
const envFaults = "GONICORN_DEMO_FAULTS"

// Handler answers with the worker's number, its pid and how many requests it
// has served.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", hello)
	mux.HandleFunc("/slow", slow)
	if os.Getenv(envFaults) == "1" {
		faults(mux)
	}
	return mux
}

func hello(w http.ResponseWriter, r *http.Request) {
	info, _ := handler.FromContext(r.Context())
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{ // the client may be gone
			"worker": info.ID, "pid": info.PID, "generation": info.Generation, "requests": info.Requests,
		})
		return
	}
	fmt.Fprintf(w, "Hello from gonicorn: worker %d, pid %d, request %d\n", info.ID, info.PID, info.Requests)
}

// slow answers after ?ms= milliseconds, at most a minute.
func slow(w http.ResponseWriter, r *http.Request) {
	ms, err := strconv.Atoi(r.URL.Query().Get("ms"))
	if err != nil || ms < 0 || ms > 60_000 {
		http.Error(w, "ms is a number from 0 to 60000, as in /slow?ms=500", http.StatusBadRequest)
		return
	}
	if os.Getenv(envFaults) == "1" {
		fmt.Println("slow began") // a test waits for it
	}
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
		hello(w, r)
	case <-r.Context().Done():
		panic(http.ErrAbortHandler) // ends the connection without an answer
	}
}

// faults adds the paths of a broken app.
func faults(mux *http.ServeMux) {
	var mu sync.Mutex
	var leaked [][]byte
	mux.HandleFunc("/hang", func(http.ResponseWriter, *http.Request) { select {} })
	mux.HandleFunc("/spin", func(http.ResponseWriter, *http.Request) {
		//lint:ignore SA5002 spinning is the fault
		for {
		}
	})
	mux.HandleFunc("/crash", func(http.ResponseWriter, *http.Request) { os.Exit(9) })
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("asked to") })
	mux.HandleFunc("/leak", func(w http.ResponseWriter, r *http.Request) {
		mb, _ := strconv.Atoi(r.URL.Query().Get("mb"))
		block := make([]byte, min(max(mb, 0), 1024)<<20)
		for i := range block {
			block[i] = byte(i)
		}
		mu.Lock()
		leaked = append(leaked, block)
		n := len(leaked)
		mu.Unlock()
		runtime.KeepAlive(block)
		fmt.Fprintf(w, "%d blocks leaked\n", n)
	})
}
