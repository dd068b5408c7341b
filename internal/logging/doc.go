// Package logging writes the error log. It has a file with a queue, so that the
// arbiter never blocks, slog handlers for Gunicorn's format and for JSON, and readers
// for what workers print.
package logging
