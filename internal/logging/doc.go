// Package logging writes the error log: a queue in front of a file that never
// holds the arbiter up, slog handlers for Gunicorn's lines and for JSON, and
// the lines that workers print.
package logging
