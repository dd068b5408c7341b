package text

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// Strings stay what they were, whatever is made behind them and whatever becomes of the
// bytes that they were made of.
func TestStringsStay(t *testing.T) {
	var m Memory
	var made []string
	var want [][]byte
	for i := range 2000 {
		p := bytes.Repeat([]byte{byte(i)}, rand.IntN(2*most))
		want = append(want, bytes.Clone(p))
		made = append(made, m.String(p))
		clear(p)
	}
	for i, s := range made {
		if s != string(want[i]) {
			t.Fatalf("string %d of %d bytes has changed", i, len(want[i]))
		}
	}
	if (*Memory)(nil).String([]byte("a")) != "a" {
		t.Error("no memory makes another string")
	}
}

func TestShortStringsShareMemory(t *testing.T) {
	var m Memory
	p := bytes.Repeat([]byte("x"), 100)
	if n := testing.AllocsPerRun(1000, func() { m.String(p) }); n != 0 {
		t.Errorf("%.0f allocations a string", n)
	}
}
