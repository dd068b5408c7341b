package ledgerload

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// Ledger is a file to which apps append one line for each request that they have
// carried out: method, id, checksum of the body, pid.
type Ledger struct{ path string }

// OpenLedger returns the ledger at path. The first writer creates the file.
func OpenLedger(path string) *Ledger { return &Ledger{path} }

// Path is the path of the file.
func (l *Ledger) Path() string { return l.path }

// entry is a line of the ledger.
type entry struct{ method, id, checksum, pid string }

// append adds a line in one write, so that O_APPEND keeps it whole.
func (l *Ledger) append(e entry) error {
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "%s %s %s %s\n", e.method, e.id, e.checksum, e.pid); err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	return nil
}

// read returns all entries by id.
func (l *Ledger) read() (map[string][]entry, error) {
	all := map[string][]entry{}
	f, err := os.Open(l.path)
	if os.IsNotExist(err) {
		return all, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) != 4 {
			return nil, fmt.Errorf("read ledger: %q is not an entry", lines.Text())
		}
		e := entry{fields[0], fields[1], fields[2], fields[3]}
		all[e.id] = append(all[e.id], e)
	}
	return all, lines.Err()
}
