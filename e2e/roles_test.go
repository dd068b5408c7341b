//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// play is what this binary does as an app under gonicorn.
func play(role string) {
	roles := map[string]func(){
		"activated":  playActivated,
		"consumer":   playConsumer,
		"env":        playEnv,
		"notifier":   playNotifier,
		"watchdog":   playWatchdog,
		"stubborn":   playStubborn,
		"family":     playFamily,
		"exit":       func() { fmt.Println("about to exit"); os.Exit(7) },
		"asked":      playAsked,
		"hangboot":   func() { signal.Ignore(syscall.SIGTERM); forever() },
		"talker":     playTalker,
		"web":        playWeb,
		"half":       playHalf,
		"graceful":   playGraceful,
		"ledger":     playLedger,
		"handler":    playHandler,
		"hostile":    playHostile,
		"judged":     playJudged,
		roleFiltered: playFiltered,
	}
	f, ok := roles[role]
	if !ok {
		fmt.Fprintln(os.Stderr, "no role", role)
		os.Exit(99)
	}
	f()
}

// playActivated is a Go program with activation listeners, as systemd's
// socket activation has them.
func playActivated() {
	listeners, err := activation.Listeners()
	if err != nil || len(listeners) == 0 {
		fmt.Fprintln(os.Stderr, "no activation listeners:", err)
		os.Exit(1)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "go pid %d worker %s generation %s", os.Getpid(), os.Getenv("GONICORN_WORKER_ID"), os.Getenv("GONICORN_GENERATION"))
	})
	for _, l := range listeners[1:] {
		go http.Serve(l, mux) // ends with the process
	}
	fmt.Fprintln(os.Stderr, http.Serve(listeners[0], mux))
}

// playConsumer handles one job after the other until it is told to stop.
func playConsumer() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	fmt.Println("consuming")
	<-term
	fmt.Println("consumer finished its job")
}

// playEnv shows what it was given.
func playEnv() {
	for _, name := range []string{"GONICORN_WORKER_ID", "GONICORN_GENERATION", "PORT", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "GONICORN_ROLE", "EXTRA"} {
		fmt.Printf("env %s=%s\n", name, os.Getenv(name))
	}
	fmt.Printf("env mine=%v\n", os.Getenv("LISTEN_PID") == fmt.Sprint(os.Getpid()))
	fds, _ := os.ReadDir("/proc/self/fd")
	var open []string
	for _, fd := range fds {
		if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && !strings.Contains(target, "eventpoll") && !strings.Contains(target, "/proc/") && !strings.HasPrefix(target, "/sys/") {
			open = append(open, fd.Name()+":"+strings.SplitN(target, ":", 2)[0])
		}
	}
	fmt.Printf("env fds=%s\n", strings.Join(open, ","))
	fmt.Printf("env uid=%d gid=%d umask=%03o dir=%s\n", os.Getuid(), os.Getgid(), umask(), must(os.Getwd()))
	forever()
}

func umask() int {
	old := syscall.Umask(0)
	syscall.Umask(old)
	return old
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// playNotifier says READY=1 only once the file E2E_GATE exists.
func playNotifier() {
	fmt.Println("waiting at the gate")
	for {
		if _, err := os.Stat(os.Getenv("E2E_GATE")); err == nil {
			break
		}
		time.Sleep(5 * time.Millisecond) // an app of its own, not a test's pace
	}
	say(daemon.SdNotifyReady)
	say("STATUS=consuming happily")
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	<-term
	say(daemon.SdNotifyStopping)
}

func say(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		fmt.Fprintln(os.Stderr, "notify:", err)
	}
}

// playWatchdog keeps its watchdog happy a few times, then falls silent.
func playWatchdog() {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		fmt.Fprintln(os.Stderr, "no watchdog:", err)
		os.Exit(1)
	}
	say(daemon.SdNotifyReady)
	for range 4 {
		say(daemon.SdNotifyWatchdog)
		time.Sleep(every / 4) // an app of its own
	}
	fmt.Println("falling silent")
	forever()
}

// playStubborn ignores every polite signal.
func playStubborn() {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGABRT)
	fmt.Println("stubborn")
	forever()
}

// forever does not return. It is not select{}: without another goroutine the
// runtime calls that a deadlock, in a binary without cgo.
func forever() {
	for {
		time.Sleep(time.Hour)
	}
}

// playFamily has a child in its process group that outlives it.
func playFamily() {
	child := exec.Command("/bin/sleep", "1000")
	if err := child.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("child pid=%d\n", child.Process.Pid)
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	<-term
}

// playAsked exits with a code when the file E2E_GATE exists.
func playAsked() {
	for {
		if _, err := os.Stat(os.Getenv("E2E_GATE")); err == nil {
			os.Exit(3)
		}
		time.Sleep(5 * time.Millisecond) // an app of its own
	}
}

// playTalker writes what could be mistaken for lines of gonicorn's.
func playTalker() {
	fmt.Print("first\nsecond without end")
	os.Stdout.Close()
	fmt.Fprintf(os.Stderr, "\x1b[31mred\x1b[0m \xff forged\rline\n")
	enc, _ := json.Marshal(map[string]string{"json": "line"})
	fmt.Fprintln(os.Stderr, string(enc))
	fmt.Fprintln(os.Stderr, strings.Repeat("x", 40000))
	forever()
}

// as is how a test runs this binary in a role under gonicorn: the options it
// needs and, behind them, the command.
func as(role string, args ...string) []string {
	return append(append([]string{"-e", envRole + "=" + role}, args...), "--", os.Getenv("E2E_APP"))
}

// listenLocal takes a free loopback port and gives it back.
func listenLocal() string {
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	return l.Addr().String()
}
