package buffer

import (
	"errors"

	"github.com/gonicorn/gonicorn/gateway"
)

var errNothing = errors.New("nothing to send yet")

// Drain sends everything to w until the response has ended, and then ends w. It
// returns how many bytes of the body w has taken.
func (s *Spool) Drain(w gateway.Reply) (sent int64, err error) {
	defer s.free()
	for {
		m, p, file, flush, err := s.next()
		switch {
		case errors.Is(err, errNothing):
			if flush {
				if err := w.Flush(); err != nil {
					return sent, err
				}
			}
			if done, err := s.wait(); err != nil {
				return sent, err
			} else if done {
				return sent, w.End(s.trailers)
			}
			continue
		case err != nil:
			return sent, err
		case file.f != nil:
			err = w.WriteFile(file.f, file.off, file.n)
			file.f.Close()
			sent += file.n
		default:
			_, err = w.Write(p)
			sent += int64(len(p))
		}
		if m.chunk != nil {
			s.sent(m)
		}
		if err != nil {
			return sent, err
		}
	}
}

// sent frees what next took, after it was sent.
func (s *Spool) sent(m part) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sending = false
	s.giveBack(m)
}

// next takes what is to be sent next: bytes from memory or the file, in a part that
// sent frees, or a region of a named file. errNothing says that there is nothing.
func (s *Spool) next() (m part, p []byte, file region, flush bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.changed.Broadcast()
	switch {
	case s.err != nil:
		return m, nil, region{}, false, s.err
	case len(s.memory) > 0:
		m = s.memory[0]
		s.memory = s.memory[1:]
		s.sending = true
		p = m.chunk.p[:m.n]
		s.inMemory -= int64(m.n)
	case s.at < s.size:
		m.chunk = chunks.Get().(*chunk)
		n, err := s.file.ReadAt(m.chunk.p[:min(inlineMost, s.size-s.at)], s.at)
		if err != nil && n == 0 {
			chunks.Put(m.chunk)
			return part{}, nil, region{}, false, noSpace(err)
		}
		s.sending = true
		p = m.chunk.p[:n]
		if s.at += int64(n); s.at == s.size {
			s.giveDisk(int(s.size))
			s.at, s.size = 0, 0
			_ = s.file.Truncate(0) // frees the room; if it fails, the file can still be used again
		}
	case len(s.named) > 0:
		file = s.named[0]
		s.named = s.named[1:]
	default:
		flush, s.flush = s.flush, false
		return m, nil, region{}, flush, errNothing
	}
	return m, p, file, false, nil
}

// wait waits until there is something to do. done means that the response has ended,
// and all of it was sent.
func (s *Spool) wait() (done bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && s.held() == 0 && len(s.named) == 0 && !s.closed && !s.flush {
		s.changed.Wait()
	}
	return s.closed && s.held() == 0 && len(s.named) == 0, s.err
}

// free closes all files, and gives back memory and budgets.
func (s *Spool) free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
	s.giveDisk(int(s.size))
	s.at, s.size = 0, 0
	for _, r := range s.named {
		r.f.Close()
	}
	for _, m := range s.memory {
		s.giveBack(m)
	}
	s.named, s.memory, s.inMemory = nil, nil, 0
	s.abort(gateway.ErrClientGone) // nothing that comes now would be sent
}
