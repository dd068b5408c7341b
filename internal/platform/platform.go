// Package platform says what the system offers to this binary.
//
// What Linux alone has (memfd_create(2), SOCK_SEQPACKET, credentials of
// datagrams, landlock(7), prctl(2), cgroups, /proc) lies behind files for Linux,
// and beside each of them is one for all systems. The build tag portable makes
// a binary for Linux of the latter, for tests: go test -tags portable.
package platform
