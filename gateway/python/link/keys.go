package link

// Keys of an environ and a scope in the form of marshal's short interned
// strings, encoded once.
var (
	keyMethod        = key("REQUEST_METHOD")
	keyScriptName    = key("SCRIPT_NAME")
	keyPathInfo      = key("PATH_INFO")
	keyQuery         = key("QUERY_STRING")
	keyRawURI        = key("RAW_URI")
	keyProtocol      = key("SERVER_PROTOCOL")
	keyServerName    = key("SERVER_NAME")
	keyServerPort    = key("SERVER_PORT")
	keyRemoteAddr    = key("REMOTE_ADDR")
	keyRemotePort    = key("REMOTE_PORT")
	keyScheme        = key("wsgi.url_scheme")
	keyContentType   = key("CONTENT_TYPE")
	keyContentLength = key("CONTENT_LENGTH")

	scopeType         = key("type")
	scopeASGI         = key("asgi")
	scopeVersion      = key("version")
	scopeSpec         = key("spec_version")
	scopeHTTPVersion  = key("http_version")
	scopeServer       = key("server")
	scopeClient       = key("client")
	scopeScheme       = key("scheme")
	scopeMethod       = key("method")
	scopeRootPath     = key("root_path")
	scopePath         = key("path")
	scopeRawPath      = key("raw_path")
	scopeQuery        = key("query_string")
	scopeHeaders      = key("headers")
	scopeSubprotocols = key("subprotocols")
	scopeExtensions   = key("extensions")
)

func key(s string) []byte { return append([]byte{'Z', byte(len(s))}, s...) }
