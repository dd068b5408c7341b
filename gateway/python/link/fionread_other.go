//go:build !linux

package link

// fionread asks for the bytes in a socket: FIONREAD of the BSDs.
const fionread = 0x4004667f
