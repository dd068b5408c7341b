package ledgerload

import (
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

// streamed is how many bytes a stream writes between two flushes.
const streamed = 30_000

// Handler is the app's side of the protocol, for Go.
func Handler(l *Ledger) http.Handler {
	pid := strconv.Itoa(os.Getpid())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.URL.Query().Get("id")
		n, _ := strconv.Atoi(r.URL.Query().Get("answer"))
		ms, _ := strconv.Atoi(r.URL.Query().Get("ms"))
		checksum, _, err := sum(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // the request was incomplete, so it is not carried out
		}
		time.Sleep(time.Duration(ms) * time.Millisecond) // simulates the app's work
		if id != "" {
			if err := l.append(entry{r.Method, id, checksum, pid}); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
		w.Header().Set("X-Id", id)
		w.Header().Set("X-Body", checksum)
		w.Header().Set("X-Pid", pid)
		body := answer(id, n)
		if r.URL.Query().Get("shape") != "stream" {
			w.Header().Set("Content-Length", strconv.Itoa(n))
			_, _ = io.Copy(w, body) // if the client is gone, that is not the app's fault
			return
		}
		for {
			_, err := io.CopyN(w, body, streamed)
			if err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
		}
	})
}
