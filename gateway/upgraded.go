package gateway

// Sockets is a Looped that also serves connections that have left HTTP.
type Sockets interface {
	Looped
	// Takes reports whether a request for an upgrade can be answered on the loop.
	Takes(r *Request) bool
}

// Upgrader is a Caller whose connection can leave HTTP.
type Upgrader interface {
	// Upgrade sends the head of a 101 with these fields. From then on the connection
	// belongs to u. Nil means that the upgrade is not possible: nothing has been sent.
	Upgrade(fields []Field, u Upgraded) Raw
}

// Upgraded serves a connection that has left HTTP. Its methods are called on the
// loop's goroutine.
type Upgraded interface {
	// Feed takes bytes that the client has sent, and may change them. It returns how
	// many it took. It is called again with the rest after Raw.Resume.
	Feed(p []byte) int
	// Unsent returns the bytes that are to be sent.
	Unsent() []byte
	// Sent says that n bytes of Unsent have been sent.
	Sent(n int)
	// Lost says that the client has gone, or takes nothing. It is called once.
	Lost()
}

// Raw is a connection that has left HTTP. Its methods are called on the loop's
// goroutine.
type Raw interface {
	// Soon makes the loop send Unsent at the end of its turn.
	Soon()
	// Resume makes the loop call Feed again.
	Resume()
	// HungUp reports whether the client has closed its end. That can be seen even
	// if there are unread bytes.
	HungUp() bool
	// End sends what is left of Unsent, and closes the connection in a way that lets
	// the client read it. No method of Upgraded is called from then on. err is the
	// worker's fault that ended the connection, or nil.
	End(err error)
}
