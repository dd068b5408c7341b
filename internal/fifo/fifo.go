// Package fifo is a linked list in the order of arrival. Each element contains its own
// place in the list, so pushing and removing elements allocates nothing.
package fifo

// Place is an element's place in a list. It is a part of the element; Of is the
// element. An element can be in only one list at a time.
type Place[T any] struct {
	Of         T
	in         *List[T]
	prev, next *Place[T]
}

// In is the list that the element is in; nil for none.
func (p *Place[T]) In() *List[T] { return p.in }

// List is a list; the zero value is an empty one.
type List[T any] struct {
	first, last *Place[T]
	n           int
}

// Len is how many elements there are.
func (l *List[T]) Len() int { return l.n }

// First is the place of the first element; nil if the list is empty.
func (l *List[T]) First() *Place[T] { return l.first }

// Push adds an element at the end. The element must be in no list.
func (l *List[T]) Push(p *Place[T]) { l.put(p, l.last, nil) }

// PushFront adds an element at the front. The element must be in no list.
func (l *List[T]) PushFront(p *Place[T]) { l.put(p, nil, l.first) }

// Replace puts by in the place of old. by must be in no list.
func (l *List[T]) Replace(old, by *Place[T]) {
	prev, next := old.prev, old.next
	l.Remove(old)
	l.put(by, prev, next)
}

// Remove removes an element. It does nothing if the element is not in l.
func (l *List[T]) Remove(p *Place[T]) {
	if p.in != l {
		return
	}
	l.join(p.prev, p.next)
	p.in, p.prev, p.next = nil, nil, nil
	l.n--
}

func (l *List[T]) put(p, prev, next *Place[T]) {
	p.in = l
	l.join(prev, p)
	l.join(p, next)
	l.n++
}

// join makes two places neighbours; nil is the list's end.
func (l *List[T]) join(prev, next *Place[T]) {
	if prev == nil {
		l.first = next
	} else {
		prev.next = next
	}
	if next == nil {
		l.last = prev
	} else {
		next.prev = prev
	}
}
