package launch

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestGatewayLinesKeepTheirLevel(t *testing.T) {
	for line, want := range map[string]string{
		`{"level":"ERROR","msg":"it broke","pid":12,"request":"abc"}`: `level=ERROR msg="it broke" pid=12 request=abc`,
		`{"level":"WARN","msg":"careful"}`:                            `level=WARN msg=careful`,
		`{"level":"DEBUG","msg":"hidden"}`:                            ``,
		`{"level":"LOUD","msg":"x"}`:                                  `none`,
		`{"msg":"x"}`:                                                 `none`,
		`{"level":"INFO"`:                                             `none`,
		`panic: no`:                                                   `none`,
	} {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		if !relay(log, line) {
			out.WriteString("none")
		}
		if got := strings.TrimSpace(out.String()); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
