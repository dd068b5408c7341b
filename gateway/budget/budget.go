// Package budget bounds totals: how much of something, usually bytes of memory, all
// clients together may use in the gateway.
package budget

import (
	"container/list"
	"context"
	"sync"
)

// Budget is a total that many accounts share. It is safe for concurrent use.
//
// Accounts that have taken something and wait for more could wait for each other for
// ever. So the first one in line may exceed the total until it is closed, and only
// one may at a time: it finishes, gives everything back, and then the next one may.
// The amount in use is at most the total plus what one account takes.
type Budget struct {
	total int64

	mu      sync.Mutex
	used    int64
	waiting list.List // of *waiter, in the order in which they came
	beyond  *Account  // may take beyond the total; nil: nobody does
}

type waiter struct {
	account *Account
	n       int64
	within  bool          // may not go beyond the total
	turn    chan struct{} // closed when n has been taken for it
}

// New makes a budget of total units, all of them free.
func New(total int64) *Budget { return &Budget{total: total} }

// Total is the size of the budget.
func (b *Budget) Total() int64 { return b.total }

// Used is how much has been taken.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// Waiting is how many accounts wait.
func (b *Budget) Waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting.Len()
}

// Account makes an account that holds nothing.
func (b *Budget) Account() *Account { return &Account{b: b} }

// admit serves those who wait.
func (b *Budget) admit() {
	for e := b.waiting.Front(); e != nil; e = b.waiting.Front() {
		w := e.Value.(*waiter)
		if b.used+w.n > b.total {
			if w.within || b.beyond != nil && b.beyond != w.account {
				return
			}
			b.beyond = w.account
		}
		b.waiting.Remove(e)
		b.take(w.account, w.n)
		close(w.turn)
	}
}

func (b *Budget) take(a *Account, n int64) {
	b.used += n
	a.held += n
}

// Account is what one holder has taken. One goroutine takes; any may give.
type Account struct {
	b    *Budget
	held int64 // guarded by b.mu
}

// Held is how much the account has taken.
func (a *Account) Held() int64 {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	return a.held
}

// Try takes n if they are free and nobody waits; it reports whether it did.
func (a *Account) Try(n int64) bool {
	b := a.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.beyond != a && (b.used+n > b.total || b.waiting.Len() > 0) {
		return false
	}
	b.take(a, n)
	return true
}

// Take takes n, waiting for them in the order of arrival. It fails with the
// context's cause only.
func (a *Account) Take(ctx context.Context, n int64) error { return a.await(ctx, n, false) }

// TakeWithin is Take that never exceeds the total. Accounts that have taken something
// may wait for each other for ever, so the context must end.
func (a *Account) TakeWithin(ctx context.Context, n int64) error { return a.await(ctx, n, true) }

func (a *Account) await(ctx context.Context, n int64, within bool) error {
	if a.Try(n) {
		return nil
	}
	b := a.b
	w := &waiter{account: a, n: n, within: within, turn: make(chan struct{})}
	b.mu.Lock()
	at := b.waiting.PushBack(w)
	b.admit()
	b.mu.Unlock()
	select {
	case <-w.turn:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.turn: // it came at the same moment
		b.give(a, n)
	default:
		b.waiting.Remove(at)
	}
	b.admit()
	return context.Cause(ctx)
}

// Give gives n back, or all that is held if that is less.
func (a *Account) Give(n int64) {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	a.b.give(a, n)
	a.b.admit()
}

// Close gives all back. The account may be used again.
func (a *Account) Close() {
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	a.b.give(a, a.held)
	a.b.admit()
}

func (b *Budget) give(a *Account, n int64) {
	n = min(n, a.held)
	a.held -= n
	b.used -= n
	if a.held == 0 && b.beyond == a {
		b.beyond = nil
	}
}
