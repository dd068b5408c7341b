package top

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/charmbracelet/lipgloss"
)

// These are the terminal's own colours.
const (
	red    = lipgloss.Color("1")
	green  = lipgloss.Color("2")
	yellow = lipgloss.Color("3")
	blue   = lipgloss.Color("4")
)

func paint(c lipgloss.Color, text string) string {
	return lipgloss.NewStyle().Foreground(c).Render(text)
}
func bold(text string) string { return lipgloss.NewStyle().Bold(true).Render(text) }
func dim(text string) string  { return lipgloss.NewStyle().Faint(true).Render(text) }

// View implements tea.Model.
func (m *model) View() string {
	if m.now == nil {
		if m.failed != nil {
			return clip(m.failed.Error(), m.screen.width) + "\n\nq quits\n"
		}
		return "asking ...\n"
	}
	lines := append(m.head(), "")
	switch room := max(1, m.screen.height-len(lines)-2); {
	case m.page.help:
		lines = append(lines, strings.Split(keys, "\n")...)
	case m.page.stacks != "":
		all := strings.Split(strings.TrimRight(m.page.stacks, "\n"), "\n")
		all = all[min(m.page.scroll, len(all)):]
		for _, line := range all[:min(len(all), room)] {
			lines = append(lines, plain(line))
		}
	default:
		lines = append(lines, m.table(room)...)
	}
	for len(lines) < m.screen.height-1 {
		lines = append(lines, "")
	}
	lines = append(lines[:max(0, min(len(lines), m.screen.height-1))], m.foot())
	for i := range lines {
		lines[i] = clip(lines[i], m.screen.width)
	}
	return strings.Join(lines, "\n")
}

// head is the lines above the table, about all workers together.
func (m *model) head() []string {
	s, t := &m.now.status, &m.totals
	state := paint(green, "serving")
	switch {
	case m.failed != nil:
		state = paint(red, "no answer: "+m.failed.Error())
	case s.State != "ready":
		state = paint(yellow, s.State)
	case s.Ready < s.Wanted:
		state = paint(yellow, "serving")
	}
	if m.paused {
		state += dim(" (held)")
	}
	lines := []string{
		bold("gonicorn "+s.Version) + "  " + state + dim(fmt.Sprintf("  generation %d  pid %d  %s  ", s.Generation, s.PID, strings.Join(s.Bind, " "))) + plain(s.App),
		"",
		m.meter("requests/s", fmt.Sprintf("%.1f", t.perSecond), "rate", blue) + m.meter("in flight", fmt.Sprint(t.inFlight), "hand", blue),
		m.meter("app p95", short(t.p95), "p95", blue) + m.meter("waiting", fmt.Sprint(t.waiting), "wait", yellow),
		fmt.Sprintf("%-12s %-9s %-12s %-9s %-12s %-9s %-8s %s", "app p50", short(t.p50), "app p99", short(t.p99),
			"queue p95", short(t.queue95), "5xx/s", number(t.errors, red)),
		fmt.Sprintf("%-12s %-9s %-12s %s", "workers", fmt.Sprintf("%d of %d", s.Ready, s.Wanted), "restarts", number(float64(t.restarts), yellow)),
	}
	if s.LastReload != "" {
		lines = append(lines, paint(red, "the last reload failed: "+plain(s.LastReload)))
	}
	return lines
}

// meter is a number and its sparkline.
func (m *model) meter(name, value, line string, c lipgloss.Color) string {
	width := max(8, m.screen.width/2-25)
	return fmt.Sprintf("%-12s %-9s %s  ", name, value, paint(c, spark(m.lines[line], width)))
}

func number(n float64, c lipgloss.Color) string {
	text := fmt.Sprintf("%.4g", n)
	if n > 0 {
		return paint(c, text)
	}
	return text
}

// table lists the processes, as many as there is room for.
func (m *model) table(room int) []string {
	head := fmt.Sprintf("  %-8s %-7s %-9s %-7s %-9s %-7s %-5s %-8s %-8s %-5s %-8s %s",
		"WORKER", "PID", "STATE", "AGE", "REQUESTS", "REQ/S", "BUSY", "LOOP LAG", "MEMORY", "CPU", "OLDEST", "REQUEST")
	lines := []string{dim(head)}
	first := max(0, m.chosen-room+2)
	for i, r := range m.rows {
		if i < first || len(lines) > room {
			continue
		}
		name := r.name
		if name == "" {
			name = fmt.Sprint(r.ID)
		}
		mark := "  "
		if i == m.chosen {
			mark = paint(blue, "▶ ")
		}
		state := fmt.Sprintf("%-9s", r.Stage)
		switch {
		case r.Stage == "ready":
			state = paint(green, state)
		case r.Stage == "booting" || r.Stage == "draining":
			state = paint(yellow, state)
		default:
			state = paint(red, state)
		}
		rate, busy := "-", "-"
		if r.Role == "worker" {
			rate, busy = fmt.Sprintf("%.1f", r.perSecond), fmt.Sprintf("%.0f%%", r.busy*100)
		}
		lines = append(lines, mark+fmt.Sprintf("%-8s %-7d ", name, r.PID)+state+fmt.Sprintf(" %-7s %-9d %-7s %-5s %-8s %-8s %-5s %-8s %s",
			short(r.Age), r.Requests, rate, busy, dash(r.LoopLag), memory(r.RSS), fmt.Sprintf("%.0f%%", r.CPU*100), dash(r.RequestAge), plain(r.request)))
	}
	return lines
}

func (m *model) foot() string {
	if m.page.stacks != "" || m.page.help {
		return dim("any key goes back")
	}
	said := m.said
	if said != "" {
		said += "  "
	}
	return said + dim(fmt.Sprintf("sorted by %s   ? keys   s sort   + - workers   r reload   x replace   enter stacks   q quit", m.by))
}

// spark draws the last values as a line, scaled to the highest.
func spark(values []float64, width int) string {
	const levels = "▁▂▃▄▅▆▇█"
	runes := []rune(levels)
	values = values[max(0, len(values)-width):]
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", width-len(values)))
	for _, v := range values {
		i := 0
		if most > 0 {
			i = min(int(v/most*float64(len(runes))), len(runes)-1)
		}
		b.WriteRune(runes[i])
	}
	return b.String()
}

// short is a duration in at most seven characters.
func short(d time.Duration) string {
	switch {
	case d <= 0:
		return "0"
	case d < time.Millisecond:
		return fmt.Sprintf("%dµs", d.Microseconds())
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1fms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24)
}

func dash(d time.Duration) string {
	if d <= 0 {
		return "-"
	}
	return short(d)
}

func memory(n int64) string {
	switch {
	case n <= 0:
		return "-"
	case n < 10<<20:
		return fmt.Sprintf("%.1fM", float64(n)/(1<<20))
	case n < 10<<30:
		return fmt.Sprintf("%dM", n>>20)
	}
	return fmt.Sprintf("%dG", n>>30)
}

// plain replaces characters with which a client or an app could control the terminal.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ReplaceAll(text, "\t", "    "))
}

// clip cuts a line at the terminal's edge.
func clip(line string, width int) string {
	return lipgloss.NewStyle().MaxWidth(max(width, 1)).Inline(true).Render(line)
}
