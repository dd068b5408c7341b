package cli

import ucli "github.com/urfave/cli/v2"

// check does what --check-config does: it reads the config, and loads the app.
func (l *commandLine) check(c *ucli.Context) error {
	code, err := l.run(append([]string{"gonicorn", "--check-config"}, c.Args().Slice()...))
	if err != nil {
		return &checkError{code, err}
	}
	return nil
}

// checkError ends gonicorn check as it would have ended gonicorn.
type checkError struct {
	code int
	err  error
}

func (e *checkError) Error() string { return e.err.Error() }
func (e *checkError) Unwrap() error { return e.err }
