// Package scoreboard is the shared memory in which every process of one
// gonicorn says how it is: the arbiter, the gateway and the workers map the
// same memfd, and a heartbeat is one store instead of a system call.
//
// The first page is a header; every further page is one slot. A slot belongs
// to one worker process while that process lives. The arbiter writes the
// identity of a slot (ID, Generation, PID) before the process starts and the
// process, or the gateway on behalf of a command that knows nothing of
// scoreboards, writes the rest.
//
// All times are CLOCK_MONOTONIC nanoseconds (see Now), comparable across the
// processes of one machine. Zero means "never" or "none".
//
// What a worker writes is not to be trusted: a reader must cope with any value
// in any field. The memfd is sealed against being shrunk, so that no worker can
// make another process fault by truncating it.
package scoreboard
