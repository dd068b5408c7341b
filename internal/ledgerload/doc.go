// Package ledgerload is a load generator for tests. It verifies the result of every
// request. Each request has an id that the app must echo, bodies are compared by
// checksum in both directions, and the app writes every request that it carries out to
// a ledger, an append-only file. The clients' results and the ledger must agree.
//
// The app's side of the protocol is small: Handler implements it for Go, and
// e2e/python/ledger_app.py for WSGI and ASGI.
//
//	METHOD /?id=ID&answer=BYTES&shape=fixed|stream&ms=MILLISECONDS
//
// The app reads the whole body, waits for ms, appends a line to the ledger, and
// answers with the id, the checksum of the body that it has read, and a body that is
// derived from the id (see answer).
package ledgerload
