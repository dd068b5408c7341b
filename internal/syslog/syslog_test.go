package syslog

import (
	"bufio"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const bound = 20 * time.Second

func packets(t *testing.T, server net.PacketConn) string {
	t.Helper()
	buf := make([]byte, 64<<10)
	_ = server.SetReadDeadline(time.Now().Add(bound))
	n, _, err := server.ReadFrom(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func open(t *testing.T, address, facility string) *Writer {
	t.Helper()
	w, err := Open(Options{Address: address, Facility: facility, App: "gonicorn.my shop", ID: "error", PID: 42})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func TestUDP(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	w := open(t, "udp://"+server.LocalAddr().String(), "local3")
	w.Send(Warning, "two\nlines")
	want := regexp.MustCompile(`^<156>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ gonicorn\.my_shop 42 error - two \| lines$`)
	if got := packets(t, server); !want.MatchString(got) {
		t.Errorf("%q", got)
	}
	w.Send(Info, strings.Repeat("x", 1<<20))
	if got := packets(t, server); len(got) > mostText+200 {
		t.Errorf("%d bytes", len(got))
	}
}

// RFC 6587 puts the length in front; a server that went away is found again.
func TestTCPServerThatComesBack(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w := open(t, "tcp://"+l.Addr().String(), "daemon")
	for i := range 2 {
		done := make(chan struct{})
		go func() { // until one arrives: what a dead connection takes is lost
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				w.Send(Error, "number "+strconv.Itoa(i))
				select {
				case <-done:
					return
				case <-tick.C:
				}
			}
		}()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(bound))
		r := bufio.NewReader(c)
		for {
			size, err := r.ReadString(' ')
			if err != nil {
				t.Fatal(err)
			}
			n, err := strconv.Atoi(strings.TrimSpace(size))
			if err != nil {
				t.Fatalf("length %q", size)
			}
			text := make([]byte, n)
			if _, err := io.ReadFull(r, text); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(string(text), "<27>1 ") {
				t.Fatalf("%q", text)
			}
			if strings.HasSuffix(string(text), "number "+strconv.Itoa(i)) {
				break
			}
		}
		close(done)
		c.Close()
	}
}

func TestUnix(t *testing.T) {
	path := t.TempDir() + "/log"
	server, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	w := open(t, "unix://"+path+"#dgram", "user")
	_, _ = w.Write([]byte("hello\n"))
	if got := packets(t, server); !strings.HasPrefix(got, "<14>1 ") || !strings.HasSuffix(got, " hello") {
		t.Errorf("%q", got)
	}
	local := &Writer{o: w.o, facility: 1, local: true} // as at /dev/log
	got := string(local.format(message{time.Now(), Critical, "hello"}))
	if !regexp.MustCompile(`^<10>\w{3} [ \d]\d \d\d:\d\d:\d\d gonicorn\.my_shop\.error\[42\]: hello$`).MatchString(got) {
		t.Errorf("%q", got)
	}
}

func TestMistakes(t *testing.T) {
	for _, o := range []Options{
		{Address: "carrier-pigeon://x", Facility: "user"}, {Address: "udp://%zz", Facility: "user"}, {Address: "udp://", Facility: "user"},
		{Address: "unix://", Facility: "user"}, {Address: "udp://localhost:514", Facility: "nobody"},
	} {
		if w, err := Open(o); err == nil {
			_ = w.Close()
			t.Errorf("%+v was taken", o)
		}
	}
}
