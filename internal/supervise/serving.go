package supervise

import (
	"context"
	"fmt"
	"sync"
)

// serving is what serves now: the state that the last committed plan has put in
// force.
type serving struct {
	mu      sync.Mutex
	key     string   // of the gateway
	backend string   // how the gateway reaches workers
	app     App      // as check found it for the workers
	bind    []string // its addresses
	unwatch func()   // ends the watch over the certificates' files; nil before there is one
}

// put records a plan's app as the one that serves. The context that it returns
// ends when the next plan's app is recorded.
func (v *serving) put(all context.Context, p *plan) (while context.Context) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.unwatch != nil {
		v.unwatch()
	}
	while, v.unwatch = context.WithCancel(all)
	v.app, v.bind = p.app, p.addresses()
	return while
}

// shown is the app that serves, as it was found, and its addresses.
func (v *serving) shown() (app string, bind []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.app.describe(), v.bind
}

// needsGateway reports whether a config needs a new gateway, because the one that
// serves has other settings.
func (v *serving) needsGateway(f *frontend) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.key != f.key
}

// adopt records which gateway serves.
func (v *serving) adopt(p *prepared) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.key, v.backend = p.frontend.key, p.app.backend(p.class)
}

// noTrial says why a worker of p cannot serve behind the gateway that runs, or ""
// if it can.
func (v *serving) noTrial(p *prepared) string {
	if p.frontend == nil {
		return ""
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if is := p.app.backend(p.class); v.backend != "" && v.backend != is {
		return fmt.Sprintf("worker_class changes to %s, whose workers need another gateway", p.class.Name())
	}
	return ""
}
