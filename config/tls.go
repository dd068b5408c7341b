package config

import "strings"

// OldestTLS is the oldest version of TLS that is spoken, 1.2 or 1.3: the newer
// one of what tls_min_version and ssl_version ask for.
func (c *Config) OldestTLS() string {
	oldest, _ := oldestTLS(c.SSLVersion)
	return max(oldest, c.TLSMinVersion, "1.2")
}

// oldestTLS reads ssl_version as Gunicorn wrote it before it ignored it: a
// constant of Python's ssl module, PROTOCOL_TLSv1_2 without its first word, or
// its number; also ssl.TLSVersion's. Empty leaves the version open. known is
// false for what no server can speak, or should.
func oldestTLS(name string) (version string, known bool) {
	name = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), ".", "_")
	switch strings.TrimPrefix(name, "protocol_") {
	case "", "tls", "tls_server", "sslv23", "2", "17":
		return "", true
	case "tlsv1_2", "5", "771":
		return "1.2", true
	case "tlsv1_3", "772":
		return "1.3", true
	}
	return "", false
}

// sslVersion refuses versions that are not spoken: whoever names TLS 1.0 has
// clients that would not come in.
func (k *checker) sslVersion() {
	if _, known := oldestTLS(k.config.SSLVersion); !known {
		k.fail("ssl_version", quote(k.config.SSLVersion)+" is not a supported version: those are TLS 1.2 and 1.3",
			`leave it out, and where only TLS 1.3 is wanted, set tls_min_version = "1.3"`)
	}
}
