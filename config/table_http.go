package config

func strictSettings() []Setting {
	return section(sectionStrictness,
		Setting{
			Name: "limit_request_line", Flag: "limit-request-line", Kind: Int, Default: "4094", Max: 8190,
			Help:   "The longest request line in bytes; 0 is 8190.",
			Reload: NewGateway, Differs: "0 is not unlimited", field: func(c *Config) any { return &c.LimitRequestLine },
		},
		Setting{
			Name: "limit_request_fields", Flag: "limit-request-fields", Kind: Int, Default: "100", Min: 1, Max: 32768,
			Help:   "How many header fields a request may have.",
			Reload: NewGateway, field: func(c *Config) any { return &c.LimitRequestFields },
		},
		Setting{
			Name: "limit_request_field_size", Flag: "limit-request-field_size", Aliases: []string{"limit-request-field-size"},
			Kind: Int, Default: "8190", Max: 1 << 20,
			Help:   "The longest header field in bytes; 0 is 8190.",
			Reload: NewGateway, Differs: "0 is not unlimited", field: func(c *Config) any { return &c.LimitRequestFieldSize },
		},
		Setting{
			Name: "header_map", Flag: "header-map", Kind: Choice, Default: "drop",
			Choices: []string{"drop", "refuse", "dangerous"},
			Help:    "What happens to header fields with an underscore in their name.",
			Reload:  NewGateway, field: func(c *Config) any { return &c.HeaderMap },
		},
		Setting{
			Name: "permit_obsolete_folding", Flag: "permit-obsolete-folding", Kind: Bool, Default: "false",
			Help:   "Take header fields that go on in the next line (RFC 9112, 5.2).",
			Reload: NewGateway, field: func(c *Config) any { return &c.PermitObsoleteFolding },
		},
		Setting{
			Name: "strip_header_spaces", Flag: "strip-header-spaces", Kind: Bool, Default: "false",
			Help:   "Take header fields with a space before the colon. It invites request smuggling.",
			Reload: NewGateway, field: func(c *Config) any { return &c.StripHeaderSpaces },
		},
		Setting{
			Name: "permit_unconventional_http_method", Flag: "permit-unconventional-http-method", Kind: Bool, Default: "false",
			Help:   "Take methods in lower case, with #, or of unusual length.",
			Reload: NewGateway, field: func(c *Config) any { return &c.PermitUnconventionalHTTPMethod },
		},
		Setting{
			Name: "permit_unconventional_http_version", Flag: "permit-unconventional-http-version", Kind: Bool, Default: "false",
			Help:   "Take HTTP/1 versions other than 1.0 and 1.1.",
			Reload: NewGateway, field: func(c *Config) any { return &c.PermitUnconventionalHTTPVersion },
		},
		Setting{
			Name: "casefold_http_method", Flag: "casefold-http-method", Kind: Bool, Default: "false",
			Help:   "Make methods upper case.",
			Reload: NewGateway, field: func(c *Config) any { return &c.CasefoldHTTPMethod },
		},
	)
}

func tlsSettings() []Setting {
	return section(sectionTLS,
		Setting{
			Name: "certfile", Flag: "certfile", Kind: List, Example: "/etc/ssl/example.org.pem",
			Help: "The certificate, PEM, with its chain. Several are chosen among by the name that the client asks for; " +
				"the flag may be given several times.",
			Reload: AtOnce, Differs: "several, and a changed file is read anew", field: func(c *Config) any { return &c.Certfile },
		},
		Setting{
			Name: "keyfile", Flag: "keyfile", Kind: List, Example: "/etc/ssl/example.org.key",
			Help:   "The certificate's key, PEM: one for each certfile, or none where certfile has it inside.",
			Reload: AtOnce, Differs: "several", field: func(c *Config) any { return &c.Keyfile },
		},
		Setting{
			Name: "keyfile_password", Flag: "keyfile-password", Aliases: []string{"ssl-keyfile-password"}, Kind: String, Own: true, Secret: true,
			Help: "What encrypted keys are decrypted with. A flag can be read by every user of this machine, in the list of " +
				"processes: set the variable, or write it into a file that only gonicorn's user can read.",
			Reload: AtOnce, field: func(c *Config) any { return &c.KeyfilePassword },
		},
		Setting{
			Name: "ca_certs", Flag: "ca-certs", Kind: String,
			Help:   "Authorities, PEM, that clients' certificates must come from.",
			Reload: AtOnce, field: func(c *Config) any { return &c.CACerts },
		},
		Setting{
			Name: "cert_reqs", Flag: "cert-reqs", Kind: Int, Default: "0", Max: 2,
			Help:   "Whether clients need a certificate: 0 no, 1 checked where they have one, 2 yes.",
			Reload: AtOnce, field: func(c *Config) any { return &c.CertReqs },
		},
		Setting{
			Name: "crlfile", Flag: "crlfile", Kind: String, Own: true,
			Help: "Lists of revoked certificates (CRLs), PEM, signed by authorities of ca_certs. A client whose certificate is on " +
				"one, or whose issuer has none there that is valid, is not let in. A changed file is read anew.",
			Reload: AtOnce, field: func(c *Config) any { return &c.CRLFile },
		},
		Setting{
			Name: "ciphers", Flag: "ciphers", Kind: String,
			Help:   "Cipher suites for TLS 1.2, by OpenSSL's names at colons; empty takes Go's choice.",
			Reload: AtOnce, field: func(c *Config) any { return &c.Ciphers },
		},
		Setting{
			Name: "tls_min_version", Flag: "tls-min-version", Kind: Choice, Default: "1.2", Choices: []string{"1.2", "1.3"}, Own: true,
			Help:   "The oldest version of TLS that is spoken.",
			Reload: AtOnce, field: func(c *Config) any { return &c.TLSMinVersion },
		},
		Setting{
			Name: "ssl_version", Flag: "ssl-version", Kind: Name, Default: "2",
			Help: "The oldest version of TLS, by a name or number of Python's ssl module: TLSv1_2 (5), TLSv1_3; TLS, TLS_SERVER and " +
				"SSLv23 (2) leave it to tls_min_version. Of both the newer counts.",
			Reload: AtOnce, Differs: "Gunicorn ignores it; here it is a minimum, and names of older versions are refused",
			field: func(c *Config) any { return &c.SSLVersion },
		},
		Setting{
			Name: "suppress_ragged_eofs", Flag: "suppress-ragged-eofs", Kind: Bool, Default: "true",
			Help:   "An option of Python's ssl module.",
			Reload: NoEffect, Note: "a connection cut without a TLS close is always a cut connection",
			field: func(c *Config) any { return &c.SuppressRaggedEOFs },
		},
		Setting{
			Name: "do_handshake_on_connect", Flag: "do-handshake-on-connect", Kind: Bool, Default: "false",
			Help:   "An option of Python's ssl module.",
			Reload: NoEffect, Note: "the handshake never holds a worker", field: func(c *Config) any { return &c.DoHandshakeOnConnect },
		},
	)
}

func http2Settings() []Setting {
	return section(sectionHTTP2,
		Setting{
			Name: "http_protocols", Flag: "http-protocols", Kind: List, Split: true, Default: "h1", Example: "h2,h1",
			Help:   "HTTP versions, the preferred one first, at commas: h1, h2 (over TLS, or http2_cleartext).",
			Reload: NewGateway, field: func(c *Config) any { return &c.HTTPProtocols },
		},
		Setting{
			Name: "http2_cleartext", Flag: "http2-cleartext", Kind: Choice, Default: "off", Yes: "prior-knowledge", No: "off",
			Choices: []string{"off", "prior-knowledge", "upgrade", "both"},
			Help:    "HTTP/2 without TLS: from clients that begin with it. upgrade and both are Gunicorn's names for more.",
			Reload:  NewGateway, Differs: "an Upgrade from HTTP/1.1 (which RFC 9113 has taken out) is not followed: upgrade means off, both means prior-knowledge", field: func(c *Config) any { return &c.HTTP2Cleartext },
		},
		Setting{
			Name: "http2_max_concurrent_streams", Flag: "http2-max-concurrent-streams", Kind: Int, Default: "100",
			Min: 1, Max: 1<<31 - 1,
			Help:   "How many requests one connection may have in hand.",
			Reload: NewGateway, field: func(c *Config) any { return &c.HTTP2MaxConcurrentStreams },
		},
		Setting{
			Name: "http2_initial_window_size", Flag: "http2-initial-window-size", Kind: Int, Default: "65535", Max: 1<<31 - 1,
			Help:   "The flow control window of a stream in bytes.",
			Reload: NewGateway, field: func(c *Config) any { return &c.HTTP2InitialWindowSize },
		},
		Setting{
			Name: "http2_max_frame_size", Flag: "http2-max-frame-size", Kind: Int, Default: "16384", Min: 16384, Max: 1<<24 - 1,
			Help:   "The largest frame in bytes.",
			Reload: NewGateway, field: func(c *Config) any { return &c.HTTP2MaxFrameSize },
		},
		Setting{
			Name: "http2_max_header_list_size", Flag: "http2-max-header-list-size", Kind: Int, Default: "65536", Max: 1 << 24,
			Help:   "The largest list of header fields in bytes; 0 is the default.",
			Reload: NewGateway, Differs: "0 is not unlimited", field: func(c *Config) any { return &c.HTTP2MaxHeaderListSize },
		},
	)
}
