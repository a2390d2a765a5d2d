package tailcache

// queue is a first-in, first-out queue that can be indexed.
type queue[T any] struct {
	elems []T
	head  int
}

func (q *queue[T]) len() int { return len(q.elems) - q.head }

func (q *queue[T]) at(i int) *T { return &q.elems[q.head+i] }

func (q *queue[T]) push(v T) {
	if q.head > 16 && q.head > len(q.elems)/2 && len(q.elems) == cap(q.elems) {
		n := copy(q.elems, q.elems[q.head:])
		clear(q.elems[n:])
		q.elems, q.head = q.elems[:n], 0
	}
	q.elems = append(q.elems, v)
}

func (q *queue[T]) pop() T {
	var none T
	v := q.elems[q.head]
	q.elems[q.head] = none
	q.head++
	if q.head == len(q.elems) {
		q.elems, q.head = q.elems[:0], 0
	}
	return v
}
