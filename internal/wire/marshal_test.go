package wire

import (
	"fmt"
	"math"
	"os/exec"
	"strings"
	"testing"
)

// What CPython's marshal makes of what Marshal wrote: its repr.
func TestPythonReadsMarshal(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal(err)
	}
	var m Marshal
	var want []string
	add := func(repr string) { want = append(want, repr) }
	m.List(0)
	for _, v := range []int64{0, 1, -1, 1<<31 - 1, -1 << 31, 1 << 31, -1<<31 - 1, 1 << 40, 1<<45 - 1, math.MaxInt64, math.MinInt64} {
		m.Int(v)
		add(fmt.Sprint(v))
	}
	for _, v := range []uint64{0, 1 << 31, 1<<63 + 5, math.MaxUint64} {
		m.Uint(v)
		add(fmt.Sprint(v))
	}
	m.None()
	add("None")
	m.String("plain")
	add("'plain'")
	m.String("größer €")
	add("'größer €'")
	m.String("\xff")
	add("'\uFFFD'")
	m.String(strings.Repeat("x", 300))
	add("'" + strings.Repeat("x", 300) + "'")
	m.Latin1("gr\xf6\xdfer")
	add("'größer'")
	m.Latin1("")
	add("''")
	m.ByteString("a\x00\xff")
	add(`b'a\x00\xff'`)
	m.ByteSlice(nil)
	add("b''")
	m.Tuple(2)
	m.Int(1)
	m.Tuple(0)
	add("(1, ())")
	m.Tuple(300)
	var many []string
	for i := range 300 {
		m.Int(int64(i))
		many = append(many, fmt.Sprint(i))
	}
	add("(" + strings.Join(many, ", ") + ")")
	m.List(1)
	m.Key("k")
	add("['k']")
	m.Dict()
	m.Key("a")
	m.Int(1)
	m.KeyBytes([]byte("b"))
	m.Dict()
	m.EndDict()
	m.EndDict()
	add("{'a': 1, 'b': {}}")
	m.SetCount(0, len(want))

	cmd := exec.Command(python, "-I", "-c", "import marshal, sys; print('\\n'.join(map(repr, marshal.loads(sys.stdin.buffer.read()))))")
	cmd.Stdin = strings.NewReader(string(m.Bytes()))
	cmd.Env = []string{"PYTHONIOENCODING=utf-8"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Errorf("object %d: %.60s, want %.60s", i, at(got, i), want[i])
		}
	}
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "nothing"
}

// FuzzNextFrame has a worker send anything.
func FuzzNextFrame(f *testing.F) {
	f.Add(make([]byte, FrameHeader))
	f.Add([]byte("\x05\x00\x00\x00\x01\x01\xc8\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00hello"))
	f.Fuzz(func(t *testing.T, message []byte) {
		for len(message) > 0 {
			frame, rest, err := NextFrame(message)
			if err != nil {
				return
			}
			if len(rest) >= len(message) || frame.Kind != FrameCredit && len(frame.Body()) > len(frame.Payload) {
				t.Fatalf("%d bytes are left of %d", len(rest), len(message))
			}
			message = rest
		}
	})
}
