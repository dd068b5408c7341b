// Package errcode gives errors their codes (GONnnn), has the catalogue of them,
// and says with what exit code an error ends gonicorn.
//
// A type of error that means one thing has its code itself: it has the method
// Code. With gives other errors theirs.
package errcode

import (
	"errors"
	"fmt"
	"io"
)

// Anything is the code of an error that has none of its own.
const Anything = "GON099"

// coder is an error that knows its code.
type coder interface {
	error
	Code() string
}

// codedError has a code that its type does not tell.
type codedError struct {
	code string
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }
func (e *codedError) Code() string  { return e.code }

// With gives an error its code.
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

// entry is one row of the catalogue of errors. A code stays what it is.
type entry struct {
	code    string
	title   string
	meaning string // whole sentences
	remedy  string // likewise
}

// catalogue is all of them, in the order of the codes.
func catalogue() []entry {
	return append(startCodes(), runCodes()...)
}

func startCodes() []entry {
	return []entry{
		{
			code: "GON001", title: "a flag that cannot be understood",
			meaning: "A flag is unknown, lacks its value, or has one that it cannot have; or GUNICORN_CMD_ARGS has such a flag.",
			remedy:  "Type what the message proposes, or look it up: gonicorn --help.",
		},
		{
			code: "GON002", title: "a command that was typed wrongly",
			meaning: "A command such as scale lacks its argument, or has one that it cannot have.",
			remedy:  "Type it as the message shows it; gonicorn --help lists all commands.",
		},
		{
			code: "GON003", title: "a mistake in the config",
			meaning: "A setting is unknown, has a value that it cannot have, or does not go with another one. All mistakes are told at once, each with its place.",
			remedy:  "Mend the places named; gonicorn --check-config says whether that was all.",
		},
		{
			code: "GON010", title: "no app, or two",
			meaning: "The command line names no app and no command, or several.",
			remedy:  "Type gonicorn main:app for a Python app, or gonicorn -- node server.js for a command.",
		},
		{
			code: "GON011", title: "the app cannot be loaded",
			meaning: "The module, or the attribute in it, is not there, or is not an app; or the module imports something that is not installed.",
			remedy:  "The message names what was looked for, where, and by which Python. --chdir and --pythonpath say where to look, --python says by which.",
		},
		{
			code: "GON012", title: "the app fails while it starts",
			meaning: "The app was found, and raises an error while it is imported or started. Its traceback is above the message.",
			remedy:  "Mend the app; python3 -c 'import main' shows the same.",
		},
		{
			code: "GON013", title: "the program is not there",
			meaning: "The command behind -- is not found in PATH, or is not a program.",
			remedy:  "Give its path, or make it executable: chmod +x.",
		},
		{
			code: "GON014", title: "no Python that would do",
			meaning: "No interpreter was found, or it does not work, or is older than 3.9.",
			remedy:  "Name one: --python .venv/bin/python3.",
		},
		{
			code: "GON015", title: "no worker became ready",
			meaning: "The first workers ended, or said nothing, three times in a row.",
			remedy:  "The message has the last that a worker wrote. A command must listen on PORT or on GONICORN_SOCKET; a slow one may need a longer --boot-timeout.",
		},
		{
			code: "GON020", title: "the address is in use",
			meaning: "Another process listens there; the message says which, where the system tells.",
			remedy:  "Stop that process, or choose another address with --bind.",
		},
		{
			code: "GON021", title: "the port needs privileges",
			meaning: "Ports below 1024 are root's, unless the system says otherwise.",
			remedy:  "Choose a higher port; or give the binary the right: setcap cap_net_bind_service=+ep; or let systemd open the socket.",
		},
		{
			code: "GON022", title: "a socket cannot be opened",
			meaning: "The address is not this machine's, the folder of a unix socket is not there, or a file is in its place.",
			remedy:  "The message says which; ip address shows this machine's addresses.",
		},
		{
			code: "GON023", title: "the pidfile is another's",
			meaning: "The pidfile names a process that runs.",
			remedy:  "Stop it, or choose another file with --pid.",
		},
		{
			code: "GON024", title: "the pidfile cannot be written",
			meaning: "Its folder is not there or not writable, or the file holds something else than a pid.",
			remedy:  "Make the folder, or choose another file with --pid.",
		},
		{
			code: "GON025", title: "a log cannot be opened",
			meaning: "The folder of a log file is not there or not writable, or the path is a folder.",
			remedy:  "Make the folder, or choose - for standard error.",
		},
		{
			code: "GON026", title: "the certificates cannot be used",
			meaning: "A certificate, key or list of revoked certificates (crlfile) cannot be read, has expired, or they do not belong " +
				"together; or keyfile_password is missing or wrong.",
			remedy: "openssl x509 -noout -text -in FILE shows what a file holds, openssl crl of a list, and openssl pkey -noout -in KEY " +
				"tries a key's password.",
		},
		{
			code: "GON027", title: "on_starting said no",
			meaning: "The hook on_starting raised an error, or its command failed or took longer than hook_timeout.",
			remedy:  "Mend what the hook complains of, or the hook.",
		},
	}
}

func runCodes() []entry {
	return []entry{
		{
			code: "GON030", title: "there is no gonicorn to ask",
			meaning: "A command found no control socket of a gonicorn of this user's.",
			remedy:  "Name the socket: --control-socket PATH. One that was started with --no-control-socket cannot be asked.",
		},
		{
			code: "GON031", title: "several gonicorns run",
			meaning: "A command found several control sockets.",
			remedy:  "Name one of those in the message with --control-socket.",
		},
		{
			code: "GON032", title: "gonicorn does not answer",
			meaning: "Nobody listens at the control socket, or this user may not ask there.",
			remedy:  "Look whether it runs, and as whom; control_socket_mode lets others in.",
		},
		{
			code: "GON033", title: "it could not be done",
			meaning: "The running gonicorn says why: a reload failed and the old workers serve on, or there is no such worker.",
			remedy:  "Mend what the message names.",
		},
		{
			code: "GON040", title: "a worker hangs (log)",
			meaning: "A worker gave no sign of life for timeout, was stopped or frozen for as long, or has had a request for longer than request_timeout (under sync: timeout). Where its threads are follows in the log.",
			remedy:  "The stacks show what it waits for. A request that may take long needs a longer --request-timeout (under sync: --timeout), or belongs into a queue. Of a process that was stopped, find out who stops it (SIGSTOP, a frozen cgroup).",
		},
		{
			code: "GON041", title: "a worker was lost (log)",
			meaning: "A worker ended that nobody had told to: its exit code or signal is in the line. Another one takes its place. " +
				"Where a limit of processes or threads lets none start, the line names the limit, and it is tried again.",
			remedy: "Killed by SIGKILL is often the kernel's doing, out of memory: max_memory replaces a worker before that.",
		},
		{
			code: "GON042", title: "a reload failed (log)",
			meaning: "The new config or the new workers are broken; the old ones serve on.",
			remedy:  "Mend what the line names and reload again.",
		},
		{
			code: "GON043", title: "a request was answered 504 (log)",
			meaning: "No worker had begun to answer within request_timeout, or the one that had it hung.",
			remedy:  "See GON040. request_timeout is off by default, but under sync, where it is timeout.",
		},
		{
			code: "GON044", title: "a request was answered 502 (log)",
			meaning: "The worker that had it died, closed the connection, or sent no HTTP, and the request could not be given to another one.",
			remedy:  "See the lines about that worker, by its pid.",
		},
		{
			code: "GON045", title: "the old code cannot be started any more (log)",
			meaning: "A reload failed and its code is still on disk: a worker of the generation that serves was started from it and did not " +
				"become ready. The workers that serve go on, and none of them is replaced, not even for max_requests, until one of this " +
				"generation starts again or a reload succeeds.",
			remedy: "Mend the code, or put the old one back, and reload.",
		},
		{
			code: "GON046", title: "a reload goes without its canary (log)",
			meaning: "The config asks for a canary, and there can be none: no worker serves that it could be compared with, or its workers " +
				"need another gateway than the one that runs.",
			remedy: "Watch the new version yourself; reload a change of worker_class apart from a change of code.",
		},
		{
			code: "GON047", title: "the app is broken while it is developed (log)",
			meaning: "With --reload, an app that cannot be loaded answers each request with its traceback.",
			remedy:  "Mend the file and save it.",
		},
		{
			code: "GON050", title: "the arbiter was killed (log)",
			meaning: "The process that supervises all others is gone without having stopped them. Workers finish what they have in flight; " +
				"what waits for a worker is answered 503; after graceful_timeout no process is left.",
			remedy: "Start gonicorn again, best by a service manager that does so by itself (gonicorn init systemd). Find out who killed it: " +
				"dmesg and journalctl -k name the out-of-memory killer.",
		},
		{
			code: "GON051", title: "an upgrade failed (log)",
			meaning: "The new gonicorn that USR2 or gonicorn upgrade started ended, failed, or did not serve within twice boot_timeout. It was ended, " +
				"and the old one serves on with the old code.",
			remedy: "Run the new binary with the same arguments and --check-config, mend what it says, and send USR2 again.",
		},
		{
			code: "GON060", title: "memory_budget is too small (log)",
			meaning: "The fewest workers that may run hold more than memory_budget together, however small each is.",
			remedy:  "Raise memory_budget, or lower workers, or workers_min where workers_max is set. start_method = fork lets workers share memory.",
		},
		{
			code: "GON061", title: "a worker is not fit to be copied (log)",
			meaning: "refork_after made a worker go that has threads or sockets which its copies would lose or share.",
			remedy:  "The line names them. End such threads after the request; close such sockets, or open them anew in the hook post_fork and set refork_open_sockets.",
		},
		{
			code: "GON062", title: "a copied worker was lost (log)",
			meaning: "A copy of a worker that had served hung, or died within a minute: what it inherited may be broken. All workers are replaced by copies of a template that has served nothing.",
			remedy:  "The lines before it say how the copy ended. Where it holds a lock or a connection of its origin's, make that anew in the hook post_fork; or do without refork_after.",
		},
		{
			code: "GON065", title: "an event loop is blocked (log)",
			meaning: "Python code has kept a worker's event loop, or gevent's hub, from turning for stall_warning; all requests of the worker wait. The line, " +
				"the stack and the request are in the message.",
			remedy: "Await an asynchronous call instead of the one at that line, or run it in a thread: asyncio.to_thread, or a def endpoint. Under " +
				"gevent, call what cooperates: what gevent patches, or a driver that is made for it.",
		},
		{
			code: "GON066", title: "a request hangs (log)",
			meaning: "A request has had no answer for stall_warning, or for 5 s where nobody has set that. The line where it is, its stack, " +
				"and what it awaits are in the message; of a command, what the kernel knows. The same line is told once a minute at most.",
			remedy: "Give the call at that line a timeout. Where such a request is right, set stall_warning to more, or to 0.",
		},
		{
			code: "GON067", title: "C code holds Python's GIL (log)",
			meaning: "No thread of a worker has run Python for stall_warning, since a call of an extension module keeps the interpreter to itself. " +
				"The stacks behind the message, written without it, show the call.",
			remedy: "Make the call in another process, or use a release of the library that gives the GIL up while it waits or computes.",
		},
		{
			code: "GON099", title: "anything else",
			meaning: "The message says what.",
			remedy:  "If it does not help, say so: it is a fault of gonicorn's.",
		},
	}
}

// Document writes docs/errors.md.
func Document(w io.Writer) error {
	if _, err := io.WriteString(w, "# Errors\n\n<!-- Made from the catalogue: go test ./internal/errcode -run TestErrorsDocument -update -->\n\n"+
		"Every error that ends gonicorn or one of its commands ends with its code in brackets, and so do the lines of the log that have one\n"+
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
