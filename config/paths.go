package config

import "path/filepath"

// Below is a path as the config means it: a relative one is below chdir.
func (c *Config) Below(path string) string {
	if filepath.IsAbs(path) || c.Chdir == "" {
		return path
	}
	return filepath.Join(c.Chdir, path)
}

// Absolute is Below as an absolute path, for a process with another working
// folder; empty stays empty.
func (c *Config) Absolute(path string) string {
	if path == "" {
		return ""
	}
	full, err := filepath.Abs(c.Below(path))
	if err != nil {
		return c.Below(path)
	}
	return full
}
