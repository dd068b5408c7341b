// Package scoreboard is the shared memory in which every process of one
// gonicorn says how it is: a heartbeat is one store instead of a system call.
//
// There are three kinds of files (memfd_create(2)):
//
//   - A page for each process, its slot. The process has this one and no other;
//     the arbiter and the gateways map all pages, as a Board. On behalf of a
//     command, which knows nothing of scoreboards, the gateway writes the page.
//   - The counts of requests and of answers, a Traffic and an Account for each
//     slot. The gateways write them and the arbiter reads them.
//   - The register of the arbiter's children, which the arbiter alone writes and
//     the guard reads: it decides whom the guard may signal.
//
// All times are CLOCK_MONOTONIC nanoseconds (see Now), comparable across the
// processes of one machine. Zero means "never" or "none".
//
// What a process writes into its page is not to be trusted: a reader must cope
// with any value in any field, and it decides over nobody but that process. Who
// a slot belongs to and what it was told are the arbiter's own variables, never
// read from a page. The files are sealed against being shrunk, so that no
// worker can make another process fault by truncating one.
package scoreboard
