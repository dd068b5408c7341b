// Package platform says what the system offers to this binary.
//
// Code for features that only Linux has (memfd_create(2), SOCK_SEQPACKET, credentials
// of datagrams, landlock(7), prctl(2), cgroups, /proc) is in files for Linux. Beside
// each of them is a file for all systems. The build tag portable builds a Linux binary
// from the latter, for tests: go test -tags portable.
package platform
