//go:build !linux

package link

// fionread asks how many bytes are in a socket: FIONREAD of the BSDs.
const fionread = 0x4004667f
