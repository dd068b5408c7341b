package config

func strictSettings() []Setting {
	return section(sectionStrictness,
		Setting{
			Name: "limit_request_line", Kind: Int, Default: "4094", Max: 8190,
			Help:    "The longest request line in bytes; 0 is 8190.",
			Differs: "0 is not unlimited",
		},
		Setting{
			Name: "limit_request_fields", Kind: Int, Default: "100", Min: 1, Max: 32768,
			Help: "How many header fields a request may have.",
		},
		Setting{
			Name: "limit_request_field_size", Flag: "limit-request-field_size", Aliases: []string{"limit-request-field-size"},
			Kind: Int, Default: "8190", Max: 1 << 20,
			Help:    "The longest header field in bytes; 0 is 8190.",
			Differs: "0 is not unlimited",
		},
		Setting{
			Name: "header_map", Kind: Choice, Default: "drop",
			Choices: []string{"drop", "refuse", "dangerous"},
			Help:    "What happens to header fields with an underscore in their name.",
		},
		Setting{
			Name: "permit_obsolete_folding", Kind: Bool, Default: "false",
			Help: "Take header fields that go on in the next line (RFC 9112, 5.2).",
		},
		Setting{
			Name: "strip_header_spaces", Kind: Bool, Default: "false",
			Help: "Take header fields with a space before the colon. It invites request smuggling.",
		},
		Setting{
			Name: "permit_unconventional_http_method", Kind: Bool, Default: "false",
			Help: "Take methods in lower case, with #, or of unusual length.",
		},
		Setting{
			Name: "permit_unconventional_http_version", Kind: Bool, Default: "false",
			Help: "Take HTTP/1 versions other than 1.0 and 1.1.",
		},
		Setting{
			Name: "casefold_http_method", Kind: Bool, Default: "false",
			Help: "Make methods upper case.",
		},
	)
}

func tlsSettings() []Setting {
	return section(sectionTLS,
		Setting{
			Name: "certfile", Kind: List, Example: "/etc/ssl/example.org.pem",
			Help: "The certificate, PEM, with its chain. Several are chosen among by the name that the client asks for; " +
				"the flag may be given several times.",
			Differs: "several, and a changed file is read again",
		},
		Setting{
			Name: "keyfile", Kind: List, Example: "/etc/ssl/example.org.key",
			Help:    "The certificate's key, PEM: one for each certfile, or none where certfile has it inside.",
			Differs: "several",
		},
		Setting{
			Name: "keyfile_password", Aliases: []string{"ssl-keyfile-password"}, Kind: String, Own: true, Secret: true,
			Help: "What encrypted keys are decrypted with. A flag can be read by every user of this machine, in the list of " +
				"processes: set the variable, or write it into a file that only gonicorn's user can read.",
		},
		Setting{
			Name: "ca_certs", Kind: String,
			Help: "Authorities, PEM, that clients' certificates must come from.",
		},
		Setting{
			Name: "cert_reqs", Kind: Int, Default: "0", Max: 2,
			Help: "Whether clients need a certificate: 0 no, 1 checked where they have one, 2 yes.",
		},
		Setting{
			Name: "crlfile", Kind: String, Own: true,
			Help: "Lists of revoked certificates (CRLs), PEM, signed by authorities of ca_certs. A client whose certificate is on " +
				"one, or whose issuer has none there that is valid, is not let in. A changed file is read again.",
		},
		Setting{
			Name: "ciphers", Kind: String,
			Help: "Cipher suites for TLS 1.2, by OpenSSL's names at colons; empty takes Go's choice.",
		},
		Setting{
			Name: "tls_min_version", Kind: Choice, Default: "1.2", Choices: []string{"1.2", "1.3"}, Own: true,
			Help: "The oldest version of TLS that is spoken.",
		},
		Setting{
			Name: "ssl_version", Kind: Name, Default: "2",
			Help: "The oldest version of TLS, by a name or number of Python's ssl module: TLSv1_2 (5), TLSv1_3; TLS, TLS_SERVER and " +
				"SSLv23 (2) leave it to tls_min_version. Of both the newer counts.",
			Differs: "Gunicorn ignores it; here it is a minimum, and names of older versions are refused",
		},
		Setting{
			Name: "suppress_ragged_eofs", Kind: Bool, Default: "true",
			Help: "An option of Python's ssl module.",
			Note: "a connection cut without a TLS close is always a cut connection",
		},
		Setting{
			Name: "do_handshake_on_connect", Kind: Bool, Default: "false",
			Help: "An option of Python's ssl module.",
			Note: "the handshake never holds a worker",
		},
	)
}

func http2Settings() []Setting {
	return section(sectionHTTP2,
		Setting{
			Name: "http_protocols", Kind: List, Split: true, Default: "h1", Example: "h2,h1",
			Help: "HTTP versions, the preferred one first, at commas: h1, h2 (over TLS, or http2_cleartext).",
		},
		Setting{
			Name: "http2_cleartext", Kind: Choice, Default: "off", Yes: "prior-knowledge", No: "off",
			Choices: []string{"off", "prior-knowledge", "upgrade", "both"},
			Help:    "HTTP/2 without TLS: from clients that begin with it. upgrade and both are Gunicorn's names for more.",
			Differs: "an Upgrade from HTTP/1.1 (which RFC 9113 has taken out) is not followed: upgrade means off, both means prior-knowledge",
		},
		Setting{
			Name: "http2_max_concurrent_streams", Kind: Int, Default: "100",
			Min: 1, Max: 1<<31 - 1,
			Help: "How many requests one connection may have in flight.",
		},
		Setting{
			Name: "http2_initial_window_size", Kind: Int, Default: "65535", Max: 1<<31 - 1,
			Help: "The flow control window of a stream in bytes.",
		},
		Setting{
			Name: "http2_max_frame_size", Kind: Int, Default: "16384", Min: 16384, Max: 1<<24 - 1,
			Help: "The largest frame in bytes.",
		},
		Setting{
			Name: "http2_max_header_list_size", Kind: Int, Default: "65536", Max: 1 << 24,
			Help:    "The largest list of header fields in bytes; 0 is the default.",
			Differs: "0 is not unlimited",
		},
	)
}
