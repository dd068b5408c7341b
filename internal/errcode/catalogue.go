// Package errcode gives errors their codes (GONnnn). It has the catalogue of all
// codes, and maps errors to exit codes.
//
// An error type that means only one thing has a method Code. With adds a code to other
// errors.
package errcode

import (
	"errors"
	"fmt"
	"io"
)

// Anything is the code of an error without a code of its own.
const Anything = "GON099"

// coder is an error that knows its code.
type coder interface {
	error
	Code() string
}

// codedError is an error to which With has added a code.
type codedError struct {
	code string
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }
func (e *codedError) Code() string  { return e.code }

// With adds a code to an error; nil stays nil.
func With(code string, err error) error {
	if err == nil {
		return nil
	}
	return &codedError{code, err}
}

// Of finds an error's code.
func Of(err error) string {
	var known coder
	if errors.As(err, &known) {
		return known.Code()
	}
	return Anything
}

// entry is one error in the catalogue. The meaning of a code never changes.
type entry struct {
	code    string
	title   string
	meaning string // whole sentences
	remedy  string // likewise
}

// catalogue lists all errors in the order of their codes.
func catalogue() []entry {
	return append(startCodes(), runCodes()...)
}

func startCodes() []entry {
	return []entry{
		{
			code: "GON001", title: "an invalid flag",
			meaning: "A flag is unknown, lacks its value, or has an invalid one; or GUNICORN_CMD_ARGS has such a flag.",
			remedy:  "Type what the message suggests, or look the flag up: gonicorn --help.",
		},
		{
			code: "GON002", title: "an invalid command",
			meaning: "A command such as scale lacks its argument, or has an invalid one.",
			remedy:  "Type it as the message shows it; gonicorn --help lists all commands.",
		},
		{
			code: "GON003", title: "a mistake in the config",
			meaning: "A setting is unknown, has an invalid value, or conflicts with another one. All mistakes are reported at once, each with its place.",
			remedy:  "Correct the places named; gonicorn --check-config says whether anything is left.",
		},
		{
			code: "GON010", title: "no app, or two",
			meaning: "The command line names no app and no command, or several.",
			remedy:  "Type gonicorn main:app for a Python app, or gonicorn -- node server.js for a command.",
		},
		{
			code: "GON011", title: "the app cannot be loaded",
			meaning: "The module, or the attribute in it, does not exist or is not an app; or the module imports something that is not installed.",
			remedy:  "The message says what was looked for, where, and with which Python. --chdir and --pythonpath say where to look, and --python says with which Python.",
		},
		{
			code: "GON012", title: "the app fails while it starts",
			meaning: "The app was found, but raises an error while it is imported or started. Its traceback is above the message.",
			remedy:  "Fix the app; python3 -c 'import main' shows the same.",
		},
		{
			code: "GON013", title: "the program was not found",
			meaning: "The command after -- is not in PATH, or is not executable.",
			remedy:  "Give its path, or make it executable: chmod +x.",
		},
		{
			code: "GON014", title: "no suitable Python",
			meaning: "No interpreter was found, or it does not work, or is older than 3.9.",
			remedy:  "Name one: --python .venv/bin/python3.",
		},
		{
			code: "GON015", title: "no worker became ready",
			meaning: "The first workers ended, or did not become ready in time, three times in a row.",
			remedy:  "The message has the last line that a worker wrote. A command must listen on PORT or on GONICORN_SOCKET; a slow one may need a longer --boot-timeout.",
		},
		{
			code: "GON020", title: "the address is in use",
			meaning: "Another process listens there; the message says which one if the system tells.",
			remedy:  "Stop that process, or choose another address with --bind.",
		},
		{
			code: "GON021", title: "the port needs privileges",
			meaning: "Ports below 1024 are reserved for root, unless the system is configured otherwise.",
			remedy:  "Choose a higher port; or give the binary the capability: setcap cap_net_bind_service=+ep; or let systemd open the socket.",
		},
		{
			code: "GON022", title: "a socket cannot be opened",
			meaning: "This machine does not have the address, the folder of a unix socket does not exist, or a file is in the socket's place.",
			remedy:  "The message says which; ip address shows this machine's addresses.",
		},
		{
			code: "GON023", title: "the pidfile belongs to another process",
			meaning: "The pidfile names a running process.",
			remedy:  "Stop it, or choose another file with --pid.",
		},
		{
			code: "GON024", title: "the pidfile cannot be written",
			meaning: "Its folder does not exist or is not writable, or the file contains something other than a pid.",
			remedy:  "Create the folder, or choose another file with --pid.",
		},
		{
			code: "GON025", title: "a log cannot be opened",
			meaning: "The folder of a log file does not exist or is not writable, or the path is a folder.",
			remedy:  "Create the folder, or choose - for standard error.",
		},
		{
			code: "GON026", title: "the certificates cannot be used",
			meaning: "A certificate, key or list of revoked certificates (crlfile) cannot be read, has expired, or they do not belong " +
				"together; or keyfile_password is missing or wrong.",
			remedy: "openssl x509 -noout -text -in FILE shows what is in a file, openssl crl does so for a list, and openssl pkey -noout -in KEY " +
				"tests the password of a key.",
		},
		{
			code: "GON027", title: "on_starting failed",
			meaning: "The hook on_starting raised an error, or its command failed or took longer than hook_timeout.",
			remedy:  "Fix what the hook complains about, or the hook itself.",
		},
	}
}

func runCodes() []entry {
	return []entry{
		{
			code: "GON030", title: "no running gonicorn was found",
			meaning: "A command found no control socket of a gonicorn of this user.",
			remedy:  "Name the socket: --control-socket PATH. A gonicorn that was started with --no-control-socket cannot be controlled.",
		},
		{
			code: "GON031", title: "several gonicorns are running",
			meaning: "A command found several control sockets.",
			remedy:  "Name one of those in the message with --control-socket.",
		},
		{
			code: "GON032", title: "gonicorn does not answer",
			meaning: "Nobody listens on the control socket, or this user may not use it.",
			remedy:  "Check whether gonicorn runs, and as which user; control_socket_mode admits other users.",
		},
		{
			code: "GON033", title: "the command failed",
			meaning: "The running gonicorn says why: for example a reload failed and the old workers keep serving, or there is no such worker.",
			remedy:  "Correct what the message names.",
		},
		{
			code: "GON040", title: "a worker hangs (log)",
			meaning: "A worker gave no sign of life for timeout, was stopped or frozen for that long, or has had a request for longer than request_timeout (under sync: timeout). The stacks of its threads follow in the log.",
			remedy:  "The stacks show what it waits for. A request that may take long needs a longer --request-timeout (under sync: --timeout), or belongs in a task queue. If the process was stopped, find out by whom (SIGSTOP, a frozen cgroup).",
		},
		{
			code: "GON041", title: "a worker was lost (log)",
			meaning: "A worker ended although nobody had told it to: its exit code or signal is in the line. Another one takes its place. " +
				"If a limit of processes or threads prevents that, a line names the limit every 10 s, and gonicorn tries again until there is room.",
			remedy: "SIGKILL often comes from the kernel when memory runs out: max_memory replaces a worker before that.",
		},
		{
			code: "GON042", title: "a reload failed (log)",
			meaning: "The new config or the new workers are broken; the old ones keep serving.",
			remedy:  "Correct what the line names and reload again.",
		},
		{
			code: "GON043", title: "a request was answered 504 (log)",
			meaning: "No worker began to answer within request_timeout, or the worker that had the request hung.",
			remedy:  "See GON040. request_timeout is off by default, except under sync, where it is timeout.",
		},
		{
			code: "GON044", title: "a request was answered 502 (log)",
			meaning: "The worker that had the request died, closed the connection, or sent invalid HTTP, and the request could not be given to another worker.",
			remedy:  "See the lines about that worker; they have its pid.",
		},
		{
			code: "GON045", title: "the old code cannot be started any more (log)",
			meaning: "A reload failed and its code is still on disk: a worker of the generation that serves was started from it and did not " +
				"become ready. The workers that serve keep serving, and none of them is replaced, not even for max_requests, until one of this " +
				"generation starts again or a reload succeeds.",
			remedy: "Fix the code, or restore the old code, and reload.",
		},
		{
			code: "GON046", title: "a reload without its canary (log)",
			meaning: "The config asks for a canary, but it is impossible: no worker serves that the canary could be compared with, or the new workers " +
				"need another gateway than the one that runs.",
			remedy: "Watch the new version yourself; reload a change of worker_class and a change of code separately.",
		},
		{
			code: "GON047", title: "the app cannot be loaded during development (log)",
			meaning: "With --reload, an app that cannot be loaded answers each request with its traceback.",
			remedy:  "Fix the file and save it.",
		},
		{
			code: "GON050", title: "the arbiter was killed (log)",
			meaning: "The process that supervises all others is gone and has not stopped them. Workers finish what they have in flight; " +
				"requests that wait for a worker are answered 503; after graceful_timeout no process is left.",
			remedy: "Start gonicorn again, preferably with a service manager that does so by itself (gonicorn init systemd). Find out who killed it: " +
				"dmesg and journalctl -k name the out-of-memory killer.",
		},
		{
			code: "GON051", title: "an upgrade failed (log)",
			meaning: "The new gonicorn that USR2 or gonicorn upgrade started ended, failed, or did not serve within twice boot_timeout. It was ended, " +
				"and the old one keeps serving the old code.",
			remedy: "Run the new binary with the same arguments and --check-config, correct what it reports, and send USR2 again.",
		},
		{
			code: "GON060", title: "memory_budget is too small (log)",
			meaning: "Even the smallest number of workers that may run uses more than memory_budget.",
			remedy:  "Raise memory_budget, or lower workers (workers_min if workers_max is set). start_method = fork lets workers share memory.",
		},
		{
			code: "GON061", title: "a worker cannot be copied (log)",
			meaning: "refork_after selected a worker with threads or sockets that its copies would lose or share.",
			remedy:  "The line names them. End such threads after the request; close such sockets, or open them again in the hook post_fork and set refork_open_sockets.",
		},
		{
			code: "GON062", title: "a copied worker was lost (log)",
			meaning: "A copy of a worker that had served requests hung, or died within a minute: what it inherited may be broken. All workers are replaced by copies of a template that has served nothing.",
			remedy:  "The lines before it say how the copy ended. If it inherits a lock or a connection, create that again in the hook post_fork; or do without refork_after.",
		},
		{
			code: "GON065", title: "an event loop is blocked (log)",
			meaning: "Python code has blocked a worker's event loop, or gevent's hub, for stall_warning; all requests of the worker wait. The line, " +
				"the stack and the request are in the message.",
			remedy: "Await an asynchronous call instead of the one at that line, or run it in a thread: asyncio.to_thread, or a def endpoint. Under " +
				"gevent, use calls that cooperate: those that gevent patches, or a driver that is made for it.",
		},
		{
			code: "GON066", title: "a request hangs (log)",
			meaning: "A request has had no answer for stall_warning, or for 5 s if that is not set. The line where it is, its stack, " +
				"and what it awaits are in the message; for a command, what the kernel knows of it. The same line is reported at most once a minute.",
			remedy: "Give the call at that line a timeout. If such requests are expected, raise stall_warning, or set it to 0.",
		},
		{
			code: "GON067", title: "C code holds Python's GIL (log)",
			meaning: "No thread of a worker has run Python code for stall_warning, because a call into an extension module holds the GIL. " +
				"The stacks after the message, which were written without the GIL, show the call.",
			remedy: "Make the call in another process, or use a release of the library that releases the GIL while it waits or computes.",
		},
		{
			code: "GON099", title: "anything else",
			meaning: "The message says what.",
			remedy:  "If it does not help, please report it: that is a fault in gonicorn.",
		},
	}
}

// Document writes docs/errors.md.
func Document(w io.Writer) error {
	if _, err := io.WriteString(w, "# Errors\n\n<!-- Made from the catalogue: go test ./internal/errcode -run TestErrorsDocument -update -->\n\n"+
		"Every error that ends gonicorn or one of its commands ends with its code in brackets. Lines of the log that have a code end with it too\n"+
		"(`code=GON040`). A code keeps its meaning.\n"); err != nil {
		return fmt.Errorf("write errors: %w", err)
	}
	for _, c := range catalogue() {
		if _, err := fmt.Fprintf(w, "\n## %s: %s\n\n%s\n\n**What to do.** %s\n", c.code, c.title, c.meaning, c.remedy); err != nil {
			return fmt.Errorf("write errors: %w", err)
		}
	}
	return nil
}
