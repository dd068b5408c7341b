//go:build linux

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coder/websocket"
)

// playWeb is a web app that knows nothing of gonicorn: it listens where
// E2E_LISTEN says, and ends at TERM without finishing anything.
func playWeb() {
	if gate := os.Getenv("E2E_GATE"); gate != "" {
		await(gate)
	}
	port := os.Getenv("PORT")
	network, address := "tcp", "127.0.0.1:"+port
	switch os.Getenv("E2E_LISTEN") {
	case "socket":
		network, address = "unix", os.Getenv("GONICORN_SOCKET")
	case "ipv6":
		address = "[::1]:" + port
	case "all":
		address = ":" + port
	case "nowhere":
		fmt.Println("this app listens nowhere")
		forever()
	}
	l, err := net.Listen(network, address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, http.Serve(l, webMux()))
}

// await waits for a file: an app's own doing, no test's pace.
func await(file string) {
	for {
		if _, err := os.Stat(file); err == nil {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func webMux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "pid %d worker %s generation %s version %s", os.Getpid(),
			os.Getenv("GONICORN_WORKER_ID"), os.Getenv("GONICORN_GENERATION"), os.Getenv("VERSION"))
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		ms, _ := strconv.Atoi(r.FormValue("ms"))
		fmt.Println("slow began")
		time.Sleep(time.Duration(ms) * time.Millisecond)
		fmt.Fprintf(w, "pid %d slept", os.Getpid())
	})
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := os.Stat(os.Getenv("E2E_HEALTHY")); err != nil {
			fmt.Println("not healthy yet")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/hang", func(http.ResponseWriter, *http.Request) { fmt.Println("hanging"); forever() })
	mux.HandleFunc("/crash", func(http.ResponseWriter, *http.Request) { os.Exit(7) })
	mux.HandleFunc("/crash-once", playCrashOnce)
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(w, r.Body)
		if err != nil {
			fmt.Println("echo failed after", n, err)
		}
	})
	mux.HandleFunc("/duplex", playDuplex)
	mux.HandleFunc("/headers", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"host": r.Host, "header": r.Header, "method": r.Method, "uri": r.RequestURI})
	})
	mux.HandleFunc("/big", playBig)
	mux.HandleFunc("/gone", func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("waiting for the client to go")
		<-r.Context().Done()
		fmt.Println("the client is gone")
	})
	mux.HandleFunc("/events", playEvents)
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Sendfile", r.FormValue("path")) })
	mux.HandleFunc("/early", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprint(w, "after the hint")
		w.Header().Set("X-Sum", "42")
	})
	mux.HandleFunc("/ws", playWebSocket)
	return mux
}

// playCrashOnce kills its process unless the file E2E_ONCE is there already.
func playCrashOnce(w http.ResponseWriter, r *http.Request) {
	mark := os.Getenv("E2E_ONCE")
	if f, err := os.OpenFile(mark, os.O_CREATE|os.O_EXCL, 0o600); err == nil {
		f.Close()
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	fmt.Fprintf(w, "pid %d survived %s", os.Getpid(), r.Method)
}

// playDuplex sends back every part of the body as soon as it is there.
func playDuplex(w http.ResponseWriter, r *http.Request) {
	c := http.NewResponseController(w)
	if err := c.EnableFullDuplex(); err != nil {
		fmt.Println("no full duplex:", err)
	}
	buf := make([]byte, 4096)
	for {
		n, err := r.Body.Read(buf)
		if _, werr := w.Write(buf[:n]); werr != nil || c.Flush() != nil || err != nil {
			return
		}
	}
}

// playBig writes as much as it is asked for, as fast as it can, and says when
// it is done.
func playBig(w http.ResponseWriter, r *http.Request) {
	mb, _ := strconv.Atoi(r.FormValue("mb"))
	chunk := []byte(strings.Repeat("0123456789abcdef", 1<<16))
	for i := range mb {
		if _, err := w.Write(chunk); err != nil {
			fmt.Println("big failed at", i)
			return
		}
	}
	fmt.Println("big is written")
}

// playEvents streams one event after the other, as fast as they are taken.
func playEvents(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	padding := strings.Repeat("x", 1<<10)
	for i := 0; r.Context().Err() == nil; i++ {
		fmt.Fprintf(w, "data: %d %s\n\n", i, padding)
		if err := flush.Flush(); err != nil {
			return
		}
		if r.FormValue("once") != "" {
			<-r.Context().Done()
		}
	}
}

func playWebSocket(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"echo"}})
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		kind, p, err := c.Read(context.Background())
		if err != nil {
			fmt.Println("websocket ends:", websocket.CloseStatus(err))
			return
		}
		if err := c.Write(context.Background(), kind, p); err != nil {
			return
		}
	}
}

// playGraceful is playWeb's app that ignores TERM: it has to be killed.
func playGraceful() {
	signal.Ignore(syscall.SIGTERM)
	playWeb()
}

// newOnce is a file name that does not exist yet.
func newOnce(dir string) string { return filepath.Join(dir, "once") }
