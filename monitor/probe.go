package monitor

import (
	"fmt"
	"net/http"

	"github.com/gonicorn/gonicorn/internal/status"
)

// livez says whether the arbiter answers.
func livez(w http.ResponseWriter, _ *http.Request, source Source) {
	if _, err := source.Status(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// readyz says whether new requests should come here.
func readyz(w http.ResponseWriter, _ *http.Request, set Settings, source Source) {
	s, err := source.Status()
	why := ""
	if err != nil {
		why = err.Error()
	} else {
		why = unready(set, s)
	}
	if why != "" {
		http.Error(w, why, http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// unready says why new requests should go elsewhere, or "" if they may come here.
func unready(set Settings, s *status.Status) string {
	waiting, _ := s.Queue()
	switch {
	case s.State == "stopping" || s.State == "drained":
		return s.State
	case s.Ready == 0 && s.Wanted > 0:
		return "no worker is ready"
	case set.ReadyMaxQueue > 0 && waiting > set.ReadyMaxQueue:
		return fmt.Sprintf("%d requests wait for a worker, ready_max_queue is %d", waiting, set.ReadyMaxQueue)
	}
	return ""
}
