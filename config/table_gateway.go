package config

import "slices"

func gatewaySettings() []Setting {
	return slices.Concat(queueSettings(), bufferSettings(), headerSettings())
}

func queueSettings() []Setting {
	return section(sectionGateway,
		Setting{
			Name: "queue_size", Kind: Int, Default: "1000", Min: 1, Max: 1 << 20, Own: true,
			Help: "How many requests may wait for a worker; a further one is answered 503 with Retry-After.",
		},
		Setting{
			Name: "queue_timeout", Kind: Duration, Default: "30", Own: true,
			Help: "How long a request may wait for a worker before it is answered 503; 0 is no bound.",
		},
		Setting{
			Name: "health_path", Kind: String, Own: true, Example: "/health",
			Help: "A worker that is a command is ready once it answers 2xx on this path; empty asks nothing.",
		},
		Setting{
			Name: "request_timeout", Kind: Duration, Default: "0", Own: true,
			Help: "A request that no worker has begun to answer after so long is answered 504, as uWSGI's harakiri has it. Under sync and " +
				"threaded its worker is replaced. 0 is never, but under sync takes timeout.",
		},
		Setting{
			Name: "header_timeout", Kind: Duration, Default: "30", Own: true,
			Help: "How long a client may take to send a request's head; 0 is no bound.",
		},
		Setting{
			Name: "body_timeout", Kind: Duration, Default: "60", Own: true,
			Help: "How long a client may send nothing of a body that it has begun; 0 is no bound.",
		},
		Setting{
			Name: "write_timeout", Kind: Duration, Default: "60", Own: true,
			Help: "How long a client may take nothing of a response; 0 is no bound.",
		},
		Setting{
			Name: "protocol", Kind: Choice, Choices: []string{"http", "uwsgi"}, Default: "http",
			Help: "The protocol of clients; uwsgi is that of nginx's uwsgi_pass.",
		},
		Setting{
			Name: "http_parser", Kind: Choice, Choices: []string{"auto", "fast", "python"}, Default: "auto",
			Help: "Gunicorn's choice of its HTTP parser.",
			Note: "there is one parser",
		},
	)
}

func bufferSettings() []Setting {
	return section(sectionGateway,
		Setting{
			Name: "request_buffering", Negated: "no-request-buffering", Kind: Bool,
			Default: "true", Own: true,
			Help: "Read a request's body before a worker is given the request, so that a slow client holds none.",
		},
		Setting{
			Name: "response_buffering", Negated: "no-response-buffering", Kind: Bool,
			Default: "true", Own: true,
			Help: "Take a response as fast as the worker writes it, so that a slow client holds none.",
		},
		Setting{
			Name: "max_body", Kind: Size, Default: "1GiB", Own: true,
			Help: "A larger request body is answered 413; 0 is no bound.",
		},
		Setting{
			Name: "max_buffer", Kind: Size, Default: "1GiB", Own: true,
			Help: "How much of one response is held for a slow client, most of it in a file; then its worker waits.",
		},
		Setting{
			Name: "max_buffer_total", Kind: Size, Default: "1GiB", Own: true,
			Help: "How much all bodies and responses together hold in files; then workers wait for their clients, and a further " +
				"large body waits for room, then gets 503. 0 is no bound.",
		},
		Setting{
			Name: "tmp_upload_dir", Kind: String,
			Help:    "The folder of buffered bodies; empty is the system's.",
			Differs: "the flag is new",
		},
		Setting{
			Name: "gateway_loops", Kind: Int, Default: "1", Min: 1, Max: 64, Own: true,
			Help: "Event loops of the gateway, each on a thread of its own. One carries tens of thousands of requests a second and costs the least " +
				"CPU a request; more are of use where one takes a whole CPU, as with TLS on a machine with many.",
		},
		Setting{
			Name: "sendfile", Negated: "no-sendfile", Kind: Bool, Default: "true", Env: "SENDFILE",
			Help:    "Send files with sendfile(2). The variable SENDFILE sets the default.",
			Differs: "the flag without no- is new",
		},
		Setting{
			Name: "sendfile_roots", Flag: "sendfile-root", Kind: List, Own: true, Example: "/srv/files",
			Help: "Folders below which an app may have a file sent with X-Sendfile or X-Accel-Redirect. " +
				"The flag may be given several times.",
		},
	)
}

func headerSettings() []Setting {
	return section(sectionGateway,
		Setting{
			Name: "response_headers", Flag: "header", Kind: List, Own: true, Example: "X-Frame-Options:DENY",
			Help: "Header fields that each response has besides the app's, as NAME: VALUE; the flag may be given several times. As under uvicorn, " +
				"a response has such a field twice where the app sends it too; only Server is sent where the app sends none.",
		},
		Setting{
			Name: "server_header", Kind: Bool, Default: "true", Own: true,
			Help: "Responses have a Server field where the app sends none.",
		},
		Setting{
			Name: "date_header", Kind: Bool, Default: "true", Own: true,
			Help: "Responses have a Date field where the app sends none.",
		},
	)
}

func forwardingSettings() []Setting {
	return section(sectionForwarding,
		Setting{
			Name: "forwarded_allow_ips", Kind: List, Split: true, Default: "127.0.0.1,::1",
			Env: "FORWARDED_ALLOW_IPS", Example: "10.0.0.0/8",
			Help: "Proxies that are believed what they say of a client: addresses or networks at commas; * is everybody. " +
				"A peer of a unix socket is; by an ASGI app only with *, as under uvicorn. " +
				"What others say is dropped, and the log names them. The variable FORWARDED_ALLOW_IPS sets the default.",
		},
		Setting{
			Name: "secure_scheme_headers", NoFlag: true, Kind: Map,
			Default: "X-FORWARDED-PROTOCOL=ssl,X-FORWARDED-PROTO=https,X-FORWARDED-SSL=on",
			Help:    "Headers, with their values, by which such a proxy says that the client uses HTTPS.",
		},
		Setting{
			Name: "forwarder_headers", Kind: List, Split: true, Default: "SCRIPT_NAME,PATH_INFO",
			Help: "Headers with underscores that such a proxy may set, at commas.",
		},
		Setting{
			Name: "proxy_protocol", Bare: "auto", Kind: Choice, Default: "off", Yes: "auto", No: "off",
			Choices: []string{"off", "v1", "v2", "auto"},
			Help:    "Connections begin with the PROXY protocol of HAProxy, of this version. The flag alone means auto.",
		},
		Setting{
			Name: "proxy_allow_ips", Flag: "proxy-allow-from", Kind: List, Split: true, Default: "127.0.0.1,::1",
			Help:    "Who may use the PROXY protocol: addresses or networks at commas; * is everybody.",
			Example: "10.0.0.0/8"},
		Setting{
			Name: "uwsgi_allow_ips", Flag: "uwsgi-allow-from", Kind: List, Split: true, Default: "127.0.0.1,::1",
			Help:    "Who may use the uwsgi protocol: addresses at commas; * is everybody.",
			Example: "10.0.0.1"},
	)
}
