// Package monitor is the process behind admin_bind: Prometheus' metrics, probes
// for orchestrators and load balancers, and a status page. It knows only what the
// arbiter tells it over a socket. If it fails, the arbiter is not affected.
package monitor
