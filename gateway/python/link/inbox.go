package link

import (
	"context"
	"sync"

	"github.com/gonicorn/gonicorn/gateway/budget"
	"github.com/gonicorn/gonicorn/gateway/websocket"
)

// freeInbox is what a WebSocket may have on its way to the app unread without
// asking the budget: enough that small messages never wait for large ones of
// other clients. The runner says that messages have been taken before they
// make up as much.
const freeInbox = 32 << 10

// inbox bounds the messages of a WebSocket that are on their way to the app:
// the next one is read once the app has taken the last, and what one holds
// beyond freeInbox is the budget's.
type inbox struct {
	account *budget.Account // nil without a bound
	ctx     context.Context // ends when nobody wants messages any more
	cancel  context.CancelFunc
	wake    chan struct{}        // has one element when something has changed
	watch   func() (stop func()) // is called when somebody waits
	gone    func() bool          // reports whether the client has left

	mu      sync.Mutex
	unread  int // bytes that the app has not taken
	charged int // of those, the budget's
	closed  bool
}

func newInbox(ctx context.Context, b *budget.Budget) *inbox {
	i := &inbox{wake: make(chan struct{}, 1)}
	i.ctx, i.cancel = context.WithCancel(ctx)
	if b != nil {
		i.account = b.Account()
	}
	return i
}

// ready waits until the app has taken what came before. False means that
// nobody wants more.
func (i *inbox) ready() bool {
	for first := true; ; first = false {
		i.mu.Lock()
		closed, open := i.closed, i.unread < freeInbox
		i.mu.Unlock()
		if closed || open {
			return !closed
		}
		if first {
			defer i.watch()()
		}
		select {
		case <-i.wake:
		case <-i.ctx.Done():
			return false
		}
	}
}

// take takes room for n bytes, waiting for the budget if need be. False means
// that nobody wants them.
func (i *inbox) take(n int) (bool, error) {
	i.mu.Lock()
	more := max(i.unread+n-freeInbox, 0) - i.charged
	i.mu.Unlock()
	if i.account != nil && more > 0 && !i.account.Try(int64(more)) {
		if i.gone() {
			return false, websocket.ErrGone
		}
		defer i.watch()()
		if err := websocket.Take(i.ctx, i.account, int64(more)); err != nil {
			if i.ctx.Err() != nil {
				err = nil
			}
			return false, err
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.account != nil && more > 0 {
		i.charged += more
	}
	i.unread += n
	if i.closed {
		i.settle()
	}
	return !i.closed, nil
}

// give says that the app has taken n bytes.
func (i *inbox) give(n int) {
	i.mu.Lock()
	i.unread = max(i.unread-n, 0)
	i.settle()
	i.mu.Unlock()
	i.poke()
}

// settle gives back what is not needed any more.
func (i *inbox) settle() {
	spare := i.charged - max(i.unread-freeInbox, 0)
	if i.closed {
		spare = i.charged
	}
	if spare > 0 && i.account != nil {
		i.charged -= spare
		i.account.Give(int64(spare))
	}
}

// close gives all back: nobody wants any more.
func (i *inbox) close() {
	i.mu.Lock()
	i.closed = true
	i.cancel()
	i.settle()
	i.mu.Unlock()
	i.poke()
}

func (i *inbox) poke() {
	select {
	case i.wake <- struct{}{}:
	default:
	}
}
