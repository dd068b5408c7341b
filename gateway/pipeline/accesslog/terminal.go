package accesslog

import (
	"strconv"
	"time"

	"github.com/gonicorn/gonicorn/internal/logging"
)

// Terminal is the default format if the log goes to a terminal:
//
//	[21/Nov/2026:02:03:04 +0000] 192.0.2.1 "GET /a HTTP/1.1" 200 1234 12.3ms
func Terminal() Format {
	return Format{func(dst []byte, e *Entry) []byte {
		const faint, reset = "\x1b[2m", "\x1b[0m"
		dst = append(dst, faint...)
		dst = e.Request.Received.AppendFormat(dst, "[02/Jan/2006:15:04:05 -0700] ")
		dst = append(logging.AppendClient(dst, e.host()), reset+` "`...)
		dst = append(appendRequestLine(dst, e), `" `...)
		dst = append(dst, colorOf(e)...)
		dst = strconv.AppendInt(dst, int64(e.Status), 10)
		dst = append(dst, reset+" "...)
		dst = strconv.AppendInt(dst, e.Bytes, 10)
		dst = append(dst, ' ')
		dst = append(dst, rounded(e.Duration).String()...)
		return append(appendCut(dst, e), '\n')
	}}
}

func colorOf(e *Entry) string {
	switch {
	case e.Status >= 500 || e.Cut != "":
		return "\x1b[31m"
	case e.Status >= 400:
		return "\x1b[33m"
	case e.Status >= 300:
		return "\x1b[36m"
	}
	return "\x1b[32m"
}

// rounded rounds a duration to three digits.
func rounded(d time.Duration) time.Duration {
	for unit := time.Duration(1); ; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit)
		}
	}
}
