// Package monitor is the process behind admin_bind: Prometheus' metrics, probes
// for orchestrators and load balancers, and a status page. It knows what the
// arbiter answers it over a socket, and nothing that happens to it reaches the
// arbiter.
package monitor
