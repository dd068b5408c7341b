package workers

// Model is what one of gonicorn's own classes means for workers that are not Go
// handlers: how many requests a worker has in flight, and what runs them. The
// gateway and the launchers of Python apps and commands need only this.
type Model uint8

const (
	// NoModel is a class that is only for Go handlers.
	NoModel Model = iota
	// OneByOne is one request at a time.
	OneByOne
	// InThreads is one request per thread.
	InThreads
	// OnLoop is many requests on one event loop, or in one program that serves
	// many at once.
	OnLoop
)

// modelled is a class that also exists for workers in other languages.
type modelled interface{ Model() Model }

// ModelOf returns what a class means for workers that are not Go handlers.
func ModelOf(c Class) Model {
	if m, is := c.(modelled); is {
		return m.Model()
	}
	return NoModel
}

// Model says what the class means elsewhere.
func (Sync) Model() Model { return OneByOne }

// Model says what the class means elsewhere.
func (Threaded) Model() Model { return InThreads }

// Model says what the class means elsewhere.
func (EventLoop) Model() Model { return OnLoop }

// Model says what the class means elsewhere.
func (Gevent) Model() Model { return OnLoop }

// ForMany returns the class for apps that serve many requests at once by
// themselves.
func ForMany() Class { return EventLoop{} }

// Choose finds the class that has this name or alias. As in Gunicorn, sync
// becomes threaded if there is more than one thread.
func Choose(classes []Class, name string, threads int) (Class, bool) {
	c, found := Lookup(classes, name)
	if found && ModelOf(c) == OneByOne && threads > 1 {
		return Threaded{}, true
	}
	return c, found
}
