// Package ledgerload is a load generator for tests. It proves what became of
// every request: each has an id that the app must echo, bodies are compared by
// their checksum in both directions, and the app writes every request that it
// carries out to a ledger, an append-only file. What a client was told and what
// the ledger says must agree.
//
// The app's side of the protocol is small: Handler has it for Go, and
// e2e/python/ledger_app.py for WSGI and ASGI.
//
//	METHOD /?id=ID&answer=BYTES&shape=fixed|stream&ms=MILLISECONDS
//
// The app reads the whole body, takes the time, appends a line to the ledger,
// and answers with the id, the checksum of the body it has read, and a body of
// its own that follows from the id (see answer).
package ledgerload
