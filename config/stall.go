package config

import "time"

// slowRequest is when a request counts as hung where nobody has said: slow ones
// are no fault, whereas an event loop that stands still for a second is.
const slowRequest = 5 * time.Second

// LongestRequest is how long a request may take until it counts as hung; 0 is
// for ever. A worker that takes one request at a time shows no other sign of life
// than that its requests end, as in Gunicorn.
func (c *Config) LongestRequest(oneByOne bool) time.Duration {
	if c.RequestTimeout == 0 && oneByOne {
		return c.Timeout
	}
	return c.RequestTimeout
}

// RequestWarning is how long a request may be without an answer until the log
// says where it is; 0 is for ever.
func (c *Config) RequestWarning() time.Duration {
	if c.StallWarningGiven || c.StallWarning == 0 {
		return c.StallWarning
	}
	return max(c.StallWarning, slowRequest)
}
