package ledgerload

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"strconv"
	"time"
)

// Mix says what requests a load consists of. Sizes are chosen at random from the
// lists.
type Mix struct {
	Bodies  []int         // bytes of request bodies; half of the requests are GETs, which have none
	Answers []int         // bytes of answers
	Work    time.Duration // how long the app takes for each request
	Leavers float64       // share of clients that leave in the middle of a long answer
}

// Mixed is a mix of everything: bodies up to 2 MB, answers up to 5 MB, streams,
// and clients that leave.
func Mixed(work time.Duration) Mix {
	return Mix{
		Bodies:  []int{0, 1, 100, 900, 4_000, 4_000, 60_000, 70_000, 300_000, 2_000_000},
		Answers: []int{0, 1, 50, 900, 4_000, 4_000, 10_000, 10_000, 65_536, 65_537, 150_000, 400_000, 1_000_000, 5_000_000},
		Work:    work, Leavers: 0.02,
	}
}

// Small is a mix of requests that cost little except the app's own time, so that the
// workers' capacity is known.
func Small(work time.Duration) Mix {
	return Mix{
		Bodies:  []int{0, 10, 500, 4_000, 70_000},
		Answers: []int{0, 10, 500, 4_000, 10_000, 80_000},
		Work:    work,
	}
}

// plan is one request and the answer that it must get.
type plan struct {
	id      string
	method  string
	body    int
	chunked bool
	answer  int
	shape   string
	leaves  bool // the client leaves once it has the head
	work    time.Duration
}

func (m *Mix) plan(number int, run string, random *rand.Rand) *plan {
	p := &plan{
		id: fmt.Sprintf("%s-%d", run, number), method: "GET", work: m.Work,
		answer: m.Answers[random.IntN(len(m.Answers))], shape: "fixed",
	}
	if random.IntN(2) == 0 {
		p.method, p.body, p.chunked = "POST", m.Bodies[random.IntN(len(m.Bodies))], random.IntN(2) == 0
	}
	if random.IntN(3) == 0 {
		p.shape = "stream"
	}
	p.leaves = p.answer > 300_000 && random.Float64() < m.Leavers*5
	return p
}

func (p *plan) query() string {
	return url.Values{
		"id": {p.id}, "answer": {strconv.Itoa(p.answer)}, "shape": {p.shape},
		"ms": {strconv.FormatInt(p.work.Milliseconds(), 10)},
	}.Encode()
}

// answer is the body of n bytes for the request with an id: the id's SHA-256,
// repeated, so that bytes from another answer or another position are noticed.
func answer(id string, n int) io.Reader {
	return io.LimitReader(&pattern{block: sha256.Sum256([]byte(id))}, int64(n))
}

// requestBody is the body of a request, made in the same way.
func requestBody(id string, n int) io.Reader { return answer("body of "+id, n) }

type pattern struct {
	block [sha256.Size]byte
	at    int
}

// Read implements io.Reader; it never ends.
func (p *pattern) Read(into []byte) (int, error) {
	for n := 0; n < len(into); {
		m := copy(into[n:], p.block[p.at:])
		n += m
		p.at = (p.at + m) % len(p.block)
	}
	return len(into), nil
}

func sum(r io.Reader) (checksum string, n int64, err error) {
	h := sha256.New()
	n, err = io.Copy(h, r)
	return fmt.Sprintf("%x", h.Sum(nil)), n, err
}
