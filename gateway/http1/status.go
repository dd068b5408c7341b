package http1

import "net/http"

// statusText returns the reason phrase of a status.
func statusText(status int) string {
	if text := http.StatusText(status); text != "" {
		return text
	}
	return "Unknown"
}
