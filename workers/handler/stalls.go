package handler

import (
	"bytes"
	"context"
	"encoding/json"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/workers"
)

const (
	stallTold  = 3    // requests reported at one look
	stallStack = 12   // places of each stack
	stallBytes = 3500 // bytes of a report: a notification has at most 4 KiB
)

// explain reports requests that have had no answer for long to the arbiter, with
// the stack of their goroutine. It reports each request once.
func (p *process) explain(ctx context.Context) {
	after := p.settings.RequestWarning
	tick := time.NewTicker(min(max(after/4, 20*time.Millisecond), 500*time.Millisecond))
	defer tick.Stop()
	told := uint64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		late, all := p.meter.Late(after, told, stallTold)
		if all == 0 {
			continue
		}
		stacks := stacksByLabel()
		for i := range late {
			told = late[i].ID
			s := stallOf(&late[i], stacks[late[i].Label])
			if i == 0 {
				s.More = all - len(late)
			}
			p.say(wire.NotifyStall + "=" + encode(s))
		}
		if all > len(late) {
			told = p.meter.Requests() // the others have been counted
		}
	}
}

// place is a line of a goroutine's stack.
type place struct{ function, at string }

func (p place) String() string { return p.at + " in " + p.function }

// stacksByLabel returns the stacks of the goroutines that serve connections, by
// their label, with the innermost place first.
func stacksByLabel() map[string][]place {
	var text bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&text, 1); err != nil {
		return nil
	}
	stacks := map[string][]place{}
	for block := range strings.SplitSeq(text.String(), "\n\n") {
		label, places := parseStack(block)
		// Goroutines that the app starts inherit the label. Prefer the one that serves.
		if label != "" && (stacks[label] == nil || serves(places)) {
			stacks[label] = places
		}
	}
	return stacks
}

// parseStack reads one block of a goroutine profile (runtime/pprof, debug=1).
func parseStack(block string) (label string, places []place) {
	for line := range strings.SplitSeq(block, "\n") {
		if _, set, ok := strings.Cut(line, "# labels: "); ok {
			var labels map[string]string
			if json.Unmarshal([]byte(set), &labels) == nil {
				label = labels[workers.GoroutineLabel]
			}
			continue
		}
		fields := strings.Split(line, "\t") // #, pc, function+offset, file:line
		if len(fields) < 4 || fields[0] != "#" {
			continue
		}
		function, _, _ := strings.Cut(strings.TrimSpace(fields[2]), "+0x")
		places = append(places, place{function, fields[3]})
	}
	return label, places
}

const ownPackage = "github.com/gonicorn/gonicorn/workers."

func serves(places []place) bool {
	for _, p := range places {
		if strings.HasPrefix(p.function, ownPackage) {
			return true
		}
	}
	return false
}

// stallOf describes a request and where its goroutine is in the app. It leaves
// out the frames of the server around the app.
func stallOf(h *workers.InFlight, places []place) wire.Stall {
	for i, p := range places {
		if strings.HasPrefix(p.function, ownPackage) {
			places = places[:i]
			break
		}
	}
	s := wire.Stall{Kind: wire.StallHandler, Age: h.Age, ID: strconv.FormatUint(h.ID, 10), Method: printable(h.Verb), Path: printable(h.Target),
		At: "an unknown place"}
	if len(places) > 0 {
		s.At = innermost(places).String()
	}
	for i := min(len(places), stallStack) - 1; i >= 0; i-- {
		s.Stack = append(s.Stack, places[i].String())
	}
	return s
}

// innermost returns the innermost place in the app's own module, or else in any
// module.
func innermost(places []place) place {
	module := "main"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Path != "" {
		module = info.Main.Path
	}
	for _, p := range places {
		if strings.HasPrefix(p.function, "main.") || strings.HasPrefix(p.function, module+"/") || strings.HasPrefix(p.function, module+".") {
			return p
		}
	}
	for _, p := range places {
		if first, _, _ := strings.Cut(p.function, "/"); strings.Contains(first, ".") && strings.Contains(p.function, "/") {
			return p
		}
	}
	return places[0]
}

// encode returns the report as JSON. If it is too long, outer places are left out.
func encode(s wire.Stall) string {
	for {
		text, err := json.Marshal(s)
		if err != nil || len(text) <= stallBytes || len(s.Stack) == 0 {
			return string(text)
		}
		s.Stack = s.Stack[1:]
	}
}
