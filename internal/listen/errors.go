package listen

import (
	"fmt"
	"syscall"
)

// InUseError says that somebody else listens at an address. It matches
// syscall.EADDRINUSE.
type InUseError struct {
	Address Address
	PID     int    // of the process that uses it; 0 if that is not known
	Process string // its name
	Self    bool   // it is this very process
}

// Error names the process and says what to type.
func (e *InUseError) Error() string {
	switch {
	case e.Self:
		return fmt.Sprintf("address %s is in use by gonicorn itself; give each --bind once", e.Address)
	case e.PID != 0:
		return fmt.Sprintf("address %s is in use by %s (pid %d); stop it with: kill %d, or choose another with --bind", e.Address, e.Process, e.PID, e.PID)
	case e.Address.TCP():
		return fmt.Sprintf("address %s is in use; find who has it with: sudo ss -ltnp sport = :%d, or choose another with --bind", e.Address, e.Address.Port)
	}
	return fmt.Sprintf("address %s is in use; find who has it with: sudo ss -lxp src %s, or choose another with --bind", e.Address, e.Address.Path)
}

// Code is its code in docs/errors.md.
func (*InUseError) Code() string { return "GON020" }

// Is makes it match syscall.EADDRINUSE.
func (e *InUseError) Is(target error) bool { return target == syscall.EADDRINUSE }

// PrivilegedError says that a port is reserved for privileged processes. It
// matches syscall.EACCES.
type PrivilegedError struct {
	Address Address
	First   int // the first port that is not reserved
}

// Error says what to type.
func (e *PrivilegedError) Error() string {
	return fmt.Sprintf("address %s: ports below %d need privileges; choose a higher one, as in --bind :8000, or grant them once: sudo setcap cap_net_bind_service=+ep $(command -v gonicorn)", e.Address, e.First)
}

// Code is its code in docs/errors.md.
func (*PrivilegedError) Code() string { return "GON021" }

// Is makes it match syscall.EACCES.
func (e *PrivilegedError) Is(target error) bool { return target == syscall.EACCES }
