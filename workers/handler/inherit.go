package handler

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/gonicorn/gonicorn/internal/inherited"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/workers"
)

// inherit takes over what the arbiter has passed to this process.
func (p *process) inherit(classes []workers.Class) error {
	from, err := inherited.Take()
	p.notify = from.Notify
	if err != nil {
		return err
	}
	if err := json.Unmarshal(from.Settings, &p.settings); err != nil {
		return fmt.Errorf("read settings in %s: %w", wire.EnvWorker, err)
	}
	var found bool
	if p.class, found = workers.Lookup(classes, p.settings.Class); !found {
		return fmt.Errorf("find worker class %q: %w", p.settings.Class, errors.ErrUnsupported)
	}
	p.log = newLog(os.Stderr, from.Log)
	p.info.ID, p.info.Generation = from.ID, from.Generation
	p.slot, p.lifeline, p.listeners = from.Slot, from.Lifeline, from.Listeners
	p.meter = workers.NewMeter(p.slot)
	return nil
}
