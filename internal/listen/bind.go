package listen

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// bindError explains an error of bind(2) or listen(2).
func bindError(a Address, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return inUse(a)
	case errors.Is(err, syscall.EACCES) && a.TCP() && a.Port < firstUnprivilegedPort():
		return &PrivilegedError{Address: a, First: firstUnprivilegedPort()}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("address %s: this machine has no such address; see those it has with: ip address, or take all, as in --bind :%d: %w", a, a.Port, err)
	case errors.Is(err, syscall.EAFNOSUPPORT):
		return fmt.Errorf("address %s: this machine has no IPv6; take an IPv4 address, as in --bind 127.0.0.1:%d: %w", a, a.Port, err)
	}
	return fmt.Errorf("bind %s: %w", a, err)
}

// firstUnprivilegedPort is the kernel's setting, or 1024 if it cannot be read.
func firstUnprivilegedPort() int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			return n
		}
	}
	return 1024
}
