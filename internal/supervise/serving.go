package supervise

import (
	"context"
	"fmt"
	"sync"
)

// serving is what serves now: what the plan that was committed last has put in
// force.
type serving struct {
	mu      sync.Mutex
	key     string   // of the gateway
	backend string   // how that reaches workers
	app     App      // as it was found for the workers
	bind    []string // where it is reached
	unwatch func()   // ends the watch over the files of certificates; nil before there is one
}

// put has a plan's app be the one that serves. What it returns ends when another
// plan's is.
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

// shown is the app as it was found for the workers that serve, and where it is
// reached.
func (v *serving) shown() (app string, bind []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.app.describe(), v.bind
}

// needsGateway reports whether a config needs a gateway of its own: the one that
// serves does something else.
func (v *serving) needsGateway(f *frontend) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.key != f.key
}

// adopt takes note of the gateway that serves.
func (v *serving) adopt(p *prepared) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.key, v.backend = p.frontend.key, p.app.backend(p.class)
}

// noTrial says why a worker of p could not serve behind the gateway that runs;
// empty if it could.
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
