package process

import "github.com/gonicorn/gonicorn/gateway/pipeline/accesslog"

// CheckFormat checks a format of the access log, before a gateway is started with it.
func CheckFormat(text string) error {
	_, err := accesslog.Compile(text)
	return err //nolint:wrapcheck // it says where
}
