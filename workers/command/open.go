package command

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// tcpListen is the state of a listening socket in /proc/net/tcp (proc_net(5)).
const tcpListen = "0A"

// OpenToAll reports whether somebody listens on the port on all interfaces,
// where clients reach the worker around the gateway. Where the system does not
// tell, it is false.
func OpenToAll(port int) bool {
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		open := openToAll(f, port)
		f.Close()
		if open {
			return true
		}
	}
	return false
}

// openToAll looks for a listener on the unspecified address in a table as the
// kernel writes it.
func openToAll(table io.Reader, port int) bool {
	want := fmt.Sprintf(":%04X", port)
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[3] != tcpListen || !strings.HasSuffix(fields[1], want) {
			continue
		}
		if strings.Trim(strings.TrimSuffix(fields[1], want), "0") == "" {
			return true
		}
	}
	return false
}
