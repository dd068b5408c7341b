package workers

// Model is what gonicorn's own classes mean for workers that are no Go handlers:
// how many requests one has in flight, and by what they are carried. It is all
// that the gateway and the launchers of Python apps and commands ask of a class.
type Model uint8

const (
	// NoModel is a class for Go handlers alone.
	NoModel Model = iota
	// OneByOne is one request at a time.
	OneByOne
	// InThreads is a request a thread.
	InThreads
	// OnLoop is many requests on one event loop, or in one program that waits
	// for many.
	OnLoop
)

// modelled is a class that also exists for workers in other languages.
type modelled interface{ Model() Model }

// ModelOf returns what a class means for workers that are no Go handlers.
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

// ForMany is the class for apps that serve many requests at once by themselves.
func ForMany() Class { return EventLoop{} }

// Choose finds the class that has this name or alias. As in Gunicorn, the one
// for one request at a time becomes the threaded one with more than one thread.
func Choose(classes []Class, name string, threads int) (Class, bool) {
	c, found := Lookup(classes, name)
	if found && ModelOf(c) == OneByOne && threads > 1 {
		return Threaded{}, true
	}
	return c, found
}
