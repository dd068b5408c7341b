package top

import (
	"context"
	"fmt"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

// keys is the text of the help.
const keys = `  ↑ ↓      choose a worker
  enter    where every thread of it is; esc goes back
  x        replace it, once its successor is ready
  + -      one worker more, one less
  r        reload
  s        sort by the next column
  p        hold the picture
  q        quit`

// key handles a key.
func (m *model) key(key string) tea.Cmd {
	if m.page.stacks != "" || m.page.help {
		return m.keyOver(key)
	}
	switch key {
	case "q", "ctrl+c":
		return tea.Quit
	case "up", "k":
		m.choose(-1)
	case "down", "j":
		m.choose(1)
	case "s":
		m.by = (m.by + 1) % orders
		m.sort()
	case "p", " ":
		m.paused = !m.paused
	case "?", "h":
		m.page.help = true
	case "r":
		m.said = "reloading ..."
		return m.post("/reload", nil, "the new workers serve")
	case "+", "=":
		return m.scale(1)
	case "-":
		return m.scale(-1)
	case "x":
		if r := m.worker(); r != nil {
			return m.post(fmt.Sprintf("/workers/%d/restart", r.ID), nil, fmt.Sprintf("worker %d is being replaced", r.ID))
		}
	case "enter", "t":
		return m.askStacks()
	}
	return nil
}

// keyOver handles a key while a page is shown in place of the rows.
func (m *model) keyOver(key string) tea.Cmd {
	switch key {
	case "ctrl+c":
		return tea.Quit
	case "up", "k":
		m.page.scroll = max(0, m.page.scroll-1)
	case "down", "j":
		m.page.scroll++
	case "pgdown", " ":
		m.page.scroll += m.screen.height / 2
	case "pgup":
		m.page.scroll = max(0, m.page.scroll-m.screen.height/2)
	default:
		m.page.stacks, m.page.help, m.page.scroll = "", false, 0
	}
	m.page.scroll = min(m.page.scroll, max(0, strings.Count(m.page.stacks, "\n")-1))
	return nil
}

func (m *model) scale(by int) tea.Cmd {
	if m.now == nil {
		return nil
	}
	n := max(1, m.now.status.Wanted+by)
	return m.post("/scale", map[string]int{"workers": n}, fmt.Sprintf("%d workers are wanted", n))
}

// worker is the chosen row, if it is a worker.
func (m *model) worker() *row {
	if m.chosen >= len(m.rows) || m.rows[m.chosen].Role != "worker" {
		m.said = "choose a worker first"
		return nil
	}
	return &m.rows[m.chosen]
}

func (m *model) askStacks() tea.Cmd {
	r := m.worker()
	if r == nil {
		return nil
	}
	id := r.ID
	m.said = fmt.Sprintf("asking worker %d ...", id)
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(m.ctx, 10*time.Second)
		defer cancel()
		var got struct{ Stacks string }
		err := m.client.Get(ctx, fmt.Sprintf("/workers/%d/stacks", id), &got)
		return done{text: fmt.Sprintf("worker %d", id), stacks: got.Stacks, err: err}
	}
}
