package accesslog

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/internal/logging"
)

// Format is the compiled format of a line: one function for each part.
type Format []appender

type appender func(dst []byte, e *Entry) []byte

// JSON is the name of the format with one JSON object a line.
const JSON = "json"

// Compile compiles a format in the syntax of Gunicorn's access_log_format: %(h)s and
// the like, %({name}i)s for a field of the request, %({name}o)s for one of the
// response, %({name}e)s for a variable of the WSGI environ. It adds three atoms to
// Gunicorn's: %(i)s is the request's id, %(w)s how many seconds it waited for a
// worker, and %(X)s who cut the response. If a format has no %(X)s, that is added at
// the end of the line, such as cut=worker.
func Compile(text string) (Format, error) {
	if text == JSON {
		return Format{appendJSON}, nil
	}
	var f Format
	for at := 0; at < len(text); {
		i := strings.IndexByte(text[at:], '%')
		if i < 0 {
			f = append(f, literal(text[at:]))
			break
		}
		if i > 0 {
			f = append(f, literal(text[at:at+i]))
		}
		at += i
		part, n, err := atom(text[at:])
		if err != nil {
			return nil, fmt.Errorf("access_log_format, column %d: %w", at+1, err)
		}
		f = append(f, part)
		at += n
	}
	if !strings.Contains(text, "%(X)s") && !strings.HasSuffix(text, "}") { // a format that ends so is JSON, to which nothing may be added
		f = append(f, appendCut)
	}
	return append(f, literal("\n")), nil
}

func appendCut(dst []byte, e *Entry) []byte {
	if e.Cut == "" {
		return dst
	}
	return append(append(dst, " cut="...), e.Cut...)
}

func literal(text string) appender {
	return func(dst []byte, _ *Entry) []byte { return append(dst, text...) }
}

// atom reads "%%" or "%(name)s" and returns its length.
func atom(text string) (appender, int, error) {
	if strings.HasPrefix(text, "%%") {
		return literal("%"), 2, nil
	}
	end := strings.Index(text, ")s")
	if !strings.HasPrefix(text, "%(") || end < 0 {
		return nil, 0, fmt.Errorf("%.12q is not an atom; write %%(h)s, or %%%% for a percent sign", text)
	}
	name := text[2:end]
	if strings.HasPrefix(name, "{") && len(name) > 3 && name[len(name)-2] == '}' {
		if part := braced(name[1:len(name)-2], name[len(name)-1]); part != nil {
			return part, end + 2, nil
		}
	}
	if part, ok := atoms()[name]; ok {
		return part, end + 2, nil
	}
	return nil, 0, fmt.Errorf("there is no atom %%(%s)s; Gunicorn's are h l u t r m U q H s B b f a T M D L p, {name}i, {name}o and {name}e", name)
}

func braced(name string, kind byte) appender {
	lower := strings.ToLower(name)
	switch kind {
	case 'i':
		return func(dst []byte, e *Entry) []byte { return appendSafe(dst, e.requestField(lower)) }
	case 'o':
		return func(dst []byte, e *Entry) []byte { return appendSafe(dst, e.responseField(lower)) }
	case 'e':
		return func(dst []byte, e *Entry) []byte { return appendSafe(dst, e.variable(name)) }
	}
	return nil
}

// atoms returns the atoms without braces.
func atoms() map[string]appender {
	text := func(f func(e *Entry) string) appender {
		return func(dst []byte, e *Entry) []byte { return appendSafe(dst, f(e)) }
	}
	count := func(f func(e *Entry) int64) appender {
		return func(dst []byte, e *Entry) []byte { return strconv.AppendInt(dst, f(e), 10) }
	}
	return map[string]appender{
		"h": text((*Entry).host),
		"l": literal("-"),
		"u": text((*Entry).user),
		"t": func(dst []byte, e *Entry) []byte {
			return e.Request.Received.AppendFormat(dst, "[02/Jan/2006:15:04:05 -0700]")
		},
		"r": appendRequestLine,
		"m": text(func(e *Entry) string { return e.Request.Method }),
		"U": text(func(e *Entry) string { return e.Request.Path }),
		"q": func(dst []byte, e *Entry) []byte { return logging.AppendClient(dst, e.Request.Query) },
		"H": text((*Entry).protocol),
		"s": count(func(e *Entry) int64 { return int64(e.Status) }),
		"B": count(func(e *Entry) int64 { return e.Bytes }),
		"b": func(dst []byte, e *Entry) []byte {
			if e.Bytes == 0 {
				return append(dst, '-')
			}
			return strconv.AppendInt(dst, e.Bytes, 10)
		},
		"f": text(func(e *Entry) string { return e.Request.Get("referer") }),
		"a": text(func(e *Entry) string { return e.Request.Get("user-agent") }),
		"T": count(func(e *Entry) int64 { return int64(e.Duration / time.Second) }),
		"M": count(func(e *Entry) int64 { return e.Duration.Milliseconds() }),
		"D": count(func(e *Entry) int64 { return e.Duration.Microseconds() }),
		"L": func(dst []byte, e *Entry) []byte { return appendSeconds(dst, e.Duration) },
		"p": func(dst []byte, e *Entry) []byte {
			return append(strconv.AppendInt(append(dst, '<'), int64(e.Request.WorkerPID), 10), '>')
		},
		"i": text(func(e *Entry) string { return e.Request.ID }),
		"X": text(func(e *Entry) string { return e.Cut }),
		"w": func(dst []byte, e *Entry) []byte { return appendSeconds(dst, e.Request.QueueWait) },
	}
}

func appendSeconds(dst []byte, d time.Duration) []byte {
	return strconv.AppendFloat(dst, d.Seconds(), 'f', 6, 64)
}

func appendRequestLine(dst []byte, e *Entry) []byte {
	r := e.Request
	if r.Method == "" {
		return append(dst, '-')
	}
	dst = append(logging.AppendClient(dst, r.Method), ' ')
	dst = append(logging.AppendClient(dst, r.Target), ' ')
	return append(dst, e.protocol()...)
}

// appendSafe appends text, escaped, or "-" if it is empty.
func appendSafe(dst []byte, text string) []byte {
	if text == "" {
		return append(dst, '-')
	}
	return logging.AppendClient(dst, text)
}
