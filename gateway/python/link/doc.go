// Package link is a worker's own socket, which keeps messages whole. It encodes
// requests in the form that Python reads, and has the exchanges that turn a worker's
// frames into a response.
package link
