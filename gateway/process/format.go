package process

import "github.com/gonicorn/gonicorn/gateway/pipeline/accesslog"

// CheckFormat says what is wrong with a format of the access log, before a
// gateway is given it.
func CheckFormat(text string) error {
	_, err := accesslog.Compile(text)
	return err //nolint:wrapcheck // it says where
}
