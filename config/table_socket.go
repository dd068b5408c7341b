package config

// The sections of the documents, in their order.
const (
	sectionSocket     Section = "Server socket"
	sectionWorkers    Section = "Worker processes"
	sectionElastic    Section = "Elastic workers"
	sectionRollout    Section = "Rollout of a reload"
	sectionResources  Section = "Resources of a worker"
	sectionMechanics  Section = "Server mechanics"
	sectionDebugging  Section = "Debugging and reloading"
	sectionLogging    Section = "Logging"
	sectionMonitoring Section = "Monitoring, syslog and statsd"
	sectionGateway    Section = "Gateway"
	sectionForwarding Section = "Behind a proxy"
	sectionStrictness Section = "Limits and strictness"
	sectionTLS        Section = "TLS"
	sectionHTTP2      Section = "HTTP/2"
	sectionPython     Section = "Python apps"
	sectionControl    Section = "Control socket"
	sectionHooks      Section = "Server hooks"
	sectionDirty      Section = "Dirty arbiters"
)

func socketSettings() []Setting {
	return section(sectionSocket,
		Setting{
			Name: "bind", Short: "b", Kind: List, Split: true, Default: "127.0.0.1:8000", Env: "PORT",
			Help: "The addresses to listen on: host:port, :port, [::1]:port, unix:PATH or fd://N. " +
				"The flag may be given several times. Where the variable PORT is set, the default is 0.0.0.0:PORT.",
		},
		Setting{
			Name: "backlog", Kind: Int, Default: "2048", Min: 1, Max: 1 << 20,
			Help:    "How many connections may wait to be accepted. The kernel's net.core.somaxconn bounds it.",
			Differs: "a reload applies it to sockets that it opens, not to open ones",
		},
		Setting{
			Name: "reuse_port", Kind: Bool, Default: "false",
			Help:    "Set SO_REUSEPORT on the listening sockets, so that several gonicorns can share an address.",
			Differs: "a reload applies it to sockets that it opens, not to open ones",
		},
		Setting{
			Name: "transport", Kind: Choice, Choices: []string{"", "inherit", "none", "gateway"}, Own: true,
			Help: "How a connection comes to a worker. inherit: workers accept on the listening sockets, which they get " +
				"from descriptor 3 up with LISTEN_FDS set. none: there is no socket, workers are supervised only. " +
				"gateway: gonicorn speaks HTTP with clients, and each worker has an endpoint of its own: PORT and " +
				"GONICORN_SOCKET in its environment, of which it takes either. " +
				"Empty chooses by the app: inherit for a Go handler, else gateway.",
			Example: "inherit"},
	)
}
