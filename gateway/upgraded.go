package gateway

// Sockets is a Looped that takes connections over which HTTP has left.
type Sockets interface {
	Looped
	// Takes reports whether a request to upgrade can be answered on the loop.
	Takes(r *Request) bool
}

// Upgrader is a Caller whose connection can become something else than HTTP.
type Upgrader interface {
	// Upgrade sends the head of a 101 with these fields, and gives the connection to
	// u from then on. Nil means that it cannot: nothing has been sent.
	Upgrade(fields []Field, u Upgraded) Raw
}

// Upgraded is what a connection has become. Its methods are called on the loop's
// thread.
type Upgraded interface {
	// Feed takes bytes of the client's, which it may change. It returns how many:
	// it is called again with the others after Raw.Resume.
	Feed(p []byte) int
	// Unsent is what is to be sent.
	Unsent() []byte
	// Sent says that n bytes of that have been sent.
	Sent(n int)
	// Lost says, once, that the client has gone, or takes nothing.
	Lost()
}

// Raw is a connection that is HTTP no more. Its methods are called on the loop's
// thread.
type Raw interface {
	// Soon has Unsent sent at the end of the loop's turn.
	Soon()
	// Resume has Feed called again.
	Resume()
	// HungUp reports whether the client has closed its end, which shows although
	// what came before is not read.
	HungUp() bool
	// End sends what is left of Unsent and closes the connection, such that the
	// client can read it. None of Upgraded's methods is called from then on. err is
	// what a worker did to end it; nil if all is well.
	End(err error)
}
