package config

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
)

// userProblem says why workers cannot run as this user, or "".
func userProblem(name string) (problem, hint string) {
	if name == "" {
		return "", ""
	}
	id, err := strconv.Atoi(name)
	if err != nil {
		u, err := user.Lookup(name)
		var unknown user.UnknownUserError
		if errors.As(err, &unknown) {
			return "there is no user " + quote(name), "list them with: getent passwd"
		}
		if err != nil {
			return "cannot look up user " + quote(name) + ": " + err.Error(), ""
		}
		if id, err = strconv.Atoi(u.Uid); err != nil {
			return "user " + quote(name) + " has no number", ""
		}
	}
	return privilege("user", name, id, os.Geteuid())
}

// groupProblem does so for a group.
func groupProblem(name string) (problem, hint string) {
	if name == "" {
		return "", ""
	}
	id, err := strconv.Atoi(name)
	if err != nil {
		g, err := user.LookupGroup(name)
		var unknown user.UnknownGroupError
		if errors.As(err, &unknown) {
			return "there is no group " + quote(name), "list them with: getent group"
		}
		if err != nil {
			return "cannot look up group " + quote(name) + ": " + err.Error(), ""
		}
		if id, err = strconv.Atoi(g.Gid); err != nil {
			return "group " + quote(name) + " has no number", ""
		}
	}
	return privilege("group", name, id, os.Getegid())
}

func privilege(what, name string, wanted, current int) (problem, hint string) {
	switch {
	case wanted < 0 || int64(wanted) >= 1<<32-1:
		return fmt.Sprintf("%d is not a valid %s number", wanted, what), ""
	case wanted != current && os.Geteuid() != 0:
		return fmt.Sprintf("only root can change to %s %s; this is uid %d", what, quote(name), os.Geteuid()),
			"start gonicorn as root, or leave " + what + " out"
	}
	return "", ""
}
