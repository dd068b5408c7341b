//go:build linux

package python

import (
	"encoding/binary"
	"log/slog"
	"testing"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/python/link"
	"github.com/gonicorn/gonicorn/gateway/shm"
	"github.com/gonicorn/gonicorn/internal/wire"
	"golang.org/x/sys/unix"
)

// judge is a direct request that looks whether an answer can be its own.
type judge struct {
	t      *testing.T
	number uint64
	begun  int
	ended  bool

	promoted bool
}

func (j *judge) Answer(a *gateway.Answer, p gateway.Part, end bool) bool {
	j.begun++
	if a.Length < -1 || len(p.Body) > shm.LargeSize {
		j.t.Errorf("got %+v as an answer", a)
	}
	p.Release()
	j.ended = end
	return true
}

func (j *judge) Part(p gateway.Part, end bool) bool {
	if j.begun == 0 || j.ended {
		j.t.Error("a part of no answer")
	}
	p.Release()
	j.ended = end
	return true
}

func (j *judge) Done() {}

func (j *judge) Promote(gateway.Begun) { j.promoted = true }

// deafLink is the socket of a worker that reads and says nothing.
func deafLink(f *testing.F, b *Backend) *link.Link {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		f.Fatal(err)
	}
	link, err := link.New(fds[0], 0, 1, link.Plane{}, b.registry, owner{b})
	if err != nil {
		f.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for p := make([]byte, wire.MaxMessage); ; {
			if n, err := unix.Read(fds[1], p); err != nil || n == 0 {
				return
			}
		}
	}()
	f.Cleanup(func() {
		ran := make(chan struct{})
		go func() { defer close(ran); b.loop.Run() }() // it is told that the link is closed
		link.Close()
		b.loop.Stop()
		<-ran
		<-read
		unix.Close(fds[1])
	})
	return link
}

// control is how many bytes of a worker's memory are before the first answer.
const control = 4096

// fuzzed makes a backend with one worker, in whose memory the fuzzer writes.
func fuzzed(f *testing.F, app string, o Options) (*Backend, *member, []byte) {
	var err error
	if o.Loop, err = loop.New(); err != nil {
		f.Fatal(err)
	}
	o.QueueSize = 10
	b, err := New(o)
	if err != nil {
		f.Fatal(err)
	}
	b.app.Store(&app)
	m := &member{b: b, known: true, ready: true, link: deafLink(f, b), done: -1, worker: gateway.Worker{Capacity: 10}}
	if m.answers, err = shm.NewAnswers(3, 1); err != nil {
		f.Fatal(err)
	}
	if m.own, err = newPipe(); err != nil {
		f.Fatal(err)
	}
	m.batches.open(m)
	b.set(0, m)
	memory, err := unix.Mmap(m.answers.FD(), 0, control+3*shm.AnswerSize+shm.LargeSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		f.Fatal(err)
	}
	return b, m, memory
}

// Whatever a worker writes as a token and into its memory, nothing breaks, a
// request has at most one answer, and nothing is used up.
func FuzzAnswer(f *testing.F) {
	b, m, memory := fuzzed(f, link.WSGI, Options{Env: &link.Env{Epoch: 3, Log: slog.New(slog.DiscardHandler)}})
	head := make([]byte, wire.FrameHeader)
	head[4], head[5], head[6] = byte(wire.FrameHead), wire.FlagEnd, 200
	f.Add(uint64(0), true, head)
	f.Add(uint64(1)<<52, true, append(binary.LittleEndian.AppendUint32(nil, 1<<31), head[4:]...))
	f.Add(uint64(shm.Void)<<52, true, []byte{})
	f.Add(^uint64(0), false, head)
	f.Fuzz(func(t *testing.T, token uint64, right bool, answer []byte) {
		j := &judge{t: t}
		d := b.NewCall().(*Call)
		d.Submit(j, &gateway.Request{Method: "GET", Path: "/"})
		j.number = d.call.number
		if right { // the number and the slot that the worker was given
			token = token&^(1<<52-1) | uint64(shm.NewToken(j.number, d.call.slot))
			if len(answer) >= 16 {
				binary.LittleEndian.PutUint64(answer[8:], j.number)
			}
		}
		slot := int(token>>52) % 4
		copy(memory[control+slot*shm.AnswerSize:control+(slot+1)*shm.AnswerSize], answer)
		err := b.answer(m, shm.Token(token))
		if again := b.answer(m, shm.Token(token)); err == nil && again != nil {
			t.Errorf("the same token again: %v", again)
		}
		if j.begun > 1 {
			t.Errorf("%d answers", j.begun)
		}
		if c := &d.call; !j.promoted {
			b.end(c)
		}
		for _, c := range b.calls { // it was promoted
			if c != nil {
				b.end(c)
			}
		}
		m.own.out, m.own.sent = m.own.out[:0], 0
		if b.requests.Free() != b.requests.Len() || m.load != 0 {
			t.Errorf("%d of %d slots are free, %d in flight", b.requests.Free(), b.requests.Len(), m.load)
		}
	})
}
