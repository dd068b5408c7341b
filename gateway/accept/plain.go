package accept

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

const (
	farewellTime  = time.Second // for a client to read why its connection is closed
	farewellBytes = 64 << 10    // that it may have sent meanwhile
)

// tellPlain answers plain HTTP that came to a port that speaks TLS.
func tellPlain(err error) {
	var record tls.RecordHeaderError
	if errors.As(err, &record) && record.Conn != nil && looksLikeHTTP(record.RecordHeader) {
		farewell(record.Conn, "400 Bad Request", "This port speaks HTTPS: write https:// in place of http://.")
	}
}

func looksLikeHTTP(head [5]byte) bool {
	switch string(head[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET", "PATCH", "CONNE", "TRACE", "PRI *":
		return true
	}
	return false
}

// farewell answers a connection that is about to be closed before it has
// brought a request that could be parsed.
func farewell(c net.Conn, status, text string) {
	_ = c.SetDeadline(time.Now().Add(farewellTime)) // nobody to tell, of this or of what follows
	_, _ = io.WriteString(c, "HTTP/1.1 "+status+"\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"+text+"\n")
	if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, c, farewellBytes) // closing with bytes unread would reset the connection
	}
}
