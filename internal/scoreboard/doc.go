// Package scoreboard is the shared memory in which every process of one gonicorn
// reports its state. A heartbeat is one store instead of a system call.
//
// There are three kinds of files (memfd_create(2)):
//
//   - A page for each process, its slot. The process has only this page; the
//     arbiter and the gateways map all pages, as a Board. A command knows nothing
//     of scoreboards, so the gateway writes its page for it.
//   - The counts of requests and answers: a Traffic, and an Account for each
//     slot. The gateways write them and the arbiter reads them.
//   - The register of the arbiter's children. Only the arbiter writes it. The
//     guard reads it: it decides which processes the guard may signal.
//
// All times are CLOCK_MONOTONIC nanoseconds (see Now), comparable across the
// processes of one machine. Zero means "never" or "none".
//
// What a process writes into its page is not trusted: a reader must cope with any
// value in any field, and the value may only affect that process. The arbiter
// keeps in its own memory who a slot belongs to and what it was told, and never
// reads that from a page. The files are sealed against shrinking, so that no
// worker can crash another process by truncating one.
package scoreboard
