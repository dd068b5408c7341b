// Package link is what the backends for Python workers share: sockets that
// keep messages whole, requests in the form that Python reads, and exchanges
// that turn a worker's frames into a response.
package link
