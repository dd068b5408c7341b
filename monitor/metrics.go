package monitor

import (
	"net/http"
	"runtime"
	"strconv"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/status"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics serves what Prometheus scrapes.
func metrics(set Settings, source Source) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(newCollector(set.Version, source))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true, ErrorHandling: promhttp.HTTPErrorOnError})
}

// collector turns a status into metrics.
type collector struct {
	version string
	source  Source

	build, requests, sent, cut, queue, app, inFlight, waiting, backlog  *prometheus.Desc
	workers, wanted, ends, restarts, reloads, generation, pause         *prometheus.Desc
	workerRequests, workerInFlight, workerLag, workerAge, resident, cpu *prometheus.Desc
}

func newCollector(version string, source Source) *collector {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("gonicorn_"+name, help, labels, nil)
	}
	return &collector{
		version: version, source: source,
		build:    d("build_info", "The gonicorn that runs.", "version", "goversion", "app"),
		requests: d("http_requests_total", "Requests, by method and class of status; gone: the client did not wait.", "method", "class"),
		sent:     d("http_response_bytes_total", "Bytes of responses' bodies."),
		cut:      d("http_responses_cut_total", "Responses that began and did not end, by who cut them.", "cause"),
		queue:    d("http_queue_seconds", "How long requests waited for a worker."),
		app:      d("http_app_seconds", "How long workers had requests."),
		inFlight: d("requests_in_flight", "Requests that workers have in flight."),
		waiting:  d("requests_waiting", "Requests that wait for a worker."),
		backlog:  d("listen_backlog", "Connections that nobody has accepted yet.", "address"),

		workers:    d("workers", "Workers, by their state.", "state"),
		wanted:     d("workers_wanted", "How many workers there should be."),
		ends:       d("worker_ends_total", "Workers that have ended, by why.", "reason"),
		restarts:   d("worker_restarts_total", "Workers that were started in place of one that was lost."),
		reloads:    d("reloads_total", "Reloads, by their outcome.", "outcome"),
		generation: d("generation", "The generation of code and config that serves."),
		pause:      d("arbiter_longest_pause_seconds", "The longest that the arbiter's loop took for one event."),

		workerRequests: d("worker_requests_total", "Requests that a worker has finished.", "worker", "pid"),
		workerInFlight: d("worker_requests_in_flight", "Requests that a worker has in flight.", "worker", "pid"),
		workerLag:      d("worker_loop_lag_seconds", "How late a worker's event loop was lately.", "worker", "pid"),
		workerAge:      d("worker_age_seconds", "For how long a worker has run.", "worker", "pid"),
		resident:       d("process_resident_bytes", "Resident memory of a process and its children.", "role", "worker", "pid"),
		cpu:            d("process_cpu_ratio", "How much of one CPU a process and its children took lately.", "role", "worker", "pid"),
	}
}

// Describe implements prometheus.Collector. It sends nothing, which makes the
// collector an unchecked one, so the arbiter is not asked before the first scrape.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s, err := c.source.Status()
	if err != nil {
		out <- prometheus.NewInvalidMetric(c.build, err)
		return
	}
	value := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) { value(d, prometheus.GaugeValue, v, labels...) }
	count := func(d *prometheus.Desc, v float64, labels ...string) { value(d, prometheus.CounterValue, v, labels...) }

	gauge(c.build, 1, c.version, runtime.Version(), s.App)
	for method, by := range s.Traffic.Requests {
		for class, n := range by {
			count(c.requests, float64(n), method, class)
		}
	}
	count(c.sent, float64(s.Traffic.Sent))
	for cause, n := range s.Traffic.Cut {
		count(c.cut, float64(n), cause)
	}
	out <- histogram(c.queue, s.Traffic.Queue)
	out <- histogram(c.app, s.Traffic.App)
	waiting, inFlight := s.Queue()
	gauge(c.inFlight, float64(inFlight))
	gauge(c.waiting, float64(waiting))
	for _, l := range s.Sockets {
		if l.Backlog >= 0 {
			gauge(c.backlog, float64(l.Backlog), l.Address)
		}
	}
	gauge(c.wanted, float64(s.Wanted))
	for reason, n := range s.Ends {
		count(c.ends, float64(n), reason)
	}
	count(c.restarts, float64(s.Restarts))
	count(c.reloads, float64(s.Reloads), "success")
	count(c.reloads, float64(s.FailedReload), "failure")
	gauge(c.generation, float64(s.Generation))
	gauge(c.pause, s.LongestPause.Seconds())
	states := map[string]int{"booting": 0, "ready": 0, "draining": 0}
	for i := range s.Workers {
		c.process(&s.Workers[i], gauge, count, states)
	}
	for state, n := range states {
		gauge(c.workers, float64(n), state)
	}
}

func (c *collector) process(w *status.Worker, gauge, count func(*prometheus.Desc, float64, ...string), states map[string]int) {
	id, pid := strconv.Itoa(w.ID), strconv.Itoa(w.PID)
	if w.RSS > 0 {
		gauge(c.resident, float64(w.RSS), w.Role, id, pid)
		gauge(c.cpu, w.CPU, w.Role, id, pid)
	}
	if w.Role != "worker" {
		return
	}
	states[w.Stage]++
	count(c.workerRequests, float64(w.Requests), id, pid)
	gauge(c.workerInFlight, float64(w.InFlight), id, pid)
	gauge(c.workerLag, w.LoopLag.Seconds(), id, pid)
	gauge(c.workerAge, w.Age.Seconds(), id, pid)
}

func histogram(d *prometheus.Desc, of scoreboard.Distribution) prometheus.Metric {
	buckets, seen := map[float64]uint64{}, uint64(0)
	for i, bound := range scoreboard.Bounds() {
		if i < len(of.Counts) {
			seen += of.Counts[i]
		}
		buckets[bound.Seconds()] = seen
	}
	return prometheus.MustNewConstHistogram(d, of.Len(), of.Sum.Seconds(), buckets)
}
