// Package top is the live view of a running gonicorn in a terminal.
package top

import (
	"context"
	"fmt"
	"io"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/gonicorn/gonicorn/internal/operatorapi"
)

const (
	every   = time.Second
	history = 240 // samples in a sparkline
)

// Run shows the gonicorn of client until the user quits.
func Run(ctx context.Context, client *operatorapi.Client, in io.Reader, out io.Writer) error {
	program := tea.NewProgram(newModel(ctx, client), tea.WithContext(ctx), tea.WithAltScreen(), tea.WithInput(in), tea.WithOutput(out))
	if _, err := program.Run(); err != nil {
		return fmt.Errorf("top: %w", err)
	}
	return nil
}

// model is the view's state. It implements tea.Model.
type model struct {
	ctx    context.Context // a field, because commands outlive a call
	client *operatorapi.Client

	screen    screen
	last, now *look
	totals    totals
	rows      []row
	lines     map[string][]float64 // for sparklines
	by        order
	chosen    int  // index of the row
	chosenPID int  // pid of that row
	paused    bool // the view is not updated
	page      page
	said      string // result of the last key
	failed    error
}

// screen is the size of the terminal.
type screen struct{ width, height int }

// page is shown in place of the rows.
type page struct {
	help   bool // the keys
	stacks string
	scroll int // of the stacks
}

type (
	looked struct {
		look *look
		err  error
	}
	done struct {
		text   string
		stacks string
		err    error
	}
	timer struct{}
)

func newModel(ctx context.Context, client *operatorapi.Client) *model {
	return &model{ctx: ctx, client: client, screen: screen{80, 24}, lines: map[string][]float64{}}
}

// Init implements tea.Model.
func (m *model) Init() tea.Cmd { return m.look }

// look asks for the current state.
func (m *model) look() tea.Msg {
	ctx, cancel := context.WithTimeout(m.ctx, 5*every)
	defer cancel()
	l := &look{at: time.Now()}
	err := m.client.Get(ctx, "/status", &l.status)
	if err == nil {
		err = m.client.Get(ctx, "/requests", &l.requests)
	}
	return looked{l, err}
}

// post sends a POST request and reports text when it has succeeded.
func (m *model) post(path string, body any, text string) tea.Cmd {
	return func() tea.Msg { return done{text: text, err: m.client.Post(m.ctx, path, body)} }
}

// Update implements tea.Model.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.screen.width, m.screen.height = msg.Width, msg.Height
	case timer:
		return m, m.look
	case looked:
		m.take(msg)
		return m, tea.Tick(every, func(time.Time) tea.Msg { return timer{} })
	case done:
		m.said, m.page.stacks, m.page.scroll = msg.text, msg.stacks, 0
		if msg.err != nil {
			m.said = msg.err.Error()
		}
	case tea.KeyMsg:
		return m, m.key(msg.String())
	}
	return m, nil
}

// take stores a new look.
func (m *model) take(got looked) {
	if m.failed = got.err; got.err != nil || m.paused {
		return
	}
	m.last, m.now = m.now, got.look
	m.totals, m.rows = derive(m.last, m.now)
	m.sort()
	for name, value := range map[string]float64{
		"rate": m.totals.perSecond, "hand": float64(m.totals.inFlight), "wait": float64(m.totals.waiting),
		"p95": m.totals.p95.Seconds(), "errors": m.totals.errors,
	} {
		line := append(m.lines[name], value)
		m.lines[name] = line[max(0, len(line)-history):]
	}
}

// sort sorts the rows and keeps the same one chosen.
func (m *model) sort() {
	m.rows = sorted(m.rows, m.by)
	for i, r := range m.rows {
		if r.PID == m.chosenPID {
			m.chosen = i
		}
	}
	m.choose(0)
}

func (m *model) choose(by int) {
	m.chosen = max(0, min(m.chosen+by, len(m.rows)-1))
	if m.chosen < len(m.rows) {
		m.chosenPID = m.rows[m.chosen].PID
	}
}
