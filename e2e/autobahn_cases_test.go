//go:build linux

package e2e

import (
	"fmt"
	"strings"
)

// wsCases are the cases, numbered as autobahn's where it has the like.
func wsCases() []wsCase {
	var all []wsCase
	for _, some := range [][]wsCase{
		framingCases(), pingCases(), reservedCases(), opcodeCases(), fragmentCases(), utf8Cases(), closeCases(), limitCases(), deflateCases(),
	} {
		all = append(all, some...)
	}
	return all
}

func text(s string) wsMessage { return wsMessage{wsText, s} }
func pong(s string) wsMessage { return wsMessage{wsPong, s} }

// chop cuts what is sent into pieces.
func chop(s string, n int) (all []string) {
	for len(s) > n {
		all = append(all, s[:n])
		s = s[n:]
	}
	return append(all, s)
}

func framingCases() (all []wsCase) {
	for kind, op := range []byte{wsText, wsBinary} {
		for i, n := range []int{0, 125, 126, 127, 128, 65535, 65536} {
			s := strings.Repeat("*", n)
			all = append(all, wsCase{name: fmt.Sprintf("1.%d.%d", kind+1, i+1), send: []string{cf(fin|op, s)}, want: []wsMessage{{op, s}}})
		}
		s := strings.Repeat("\x7e", 65536)
		all = append(all, wsCase{name: fmt.Sprintf("1.%d.8", kind+1), send: chop(cf(fin|op, s), 997), want: []wsMessage{{op, s}}})
	}
	return all
}

func pingCases() []wsCase {
	var ten []wsMessage
	var pings string
	for i := range 10 {
		s := fmt.Sprintf("payload-%d", i)
		pings += cf(fin|wsPing, s)
		ten = append(ten, pong(s))
	}
	long := strings.Repeat("\xfe", 125)
	hello := cf(fin|wsText, "Hello")
	return []wsCase{
		{name: "2.1", send: []string{cf(fin|wsPing, "")}, want: []wsMessage{pong("")}},
		{name: "2.2", send: []string{cf(fin|wsPing, "Hello, world!")}, want: []wsMessage{pong("Hello, world!")}},
		{name: "2.3", send: []string{cf(fin|wsPing, "\x00\xff\xfe\xfd")}, want: []wsMessage{pong("\x00\xff\xfe\xfd")}},
		{name: "2.4", send: []string{cf(fin|wsPing, long)}, want: []wsMessage{pong(long)}},
		{name: "2.5", send: []string{cf(fin|wsPing, long+"x")}, code: []int{1002}},
		{name: "2.6", send: []string{cf(fin|wsPing, long)}, octets: true, want: []wsMessage{pong(long)}},
		{name: "2.7", send: []string{cf(fin|wsPong, ""), hello}, want: []wsMessage{text("Hello")}},
		{name: "2.8", send: []string{cf(fin|wsPong, "unsolicited"), hello}, want: []wsMessage{text("Hello")}},
		{name: "2.9", send: []string{cf(fin|wsPong, "unsolicited"), cf(fin|wsPing, "ping")}, want: []wsMessage{pong("ping")}},
		{name: "2.10", send: []string{pings}, want: ten},
		{name: "2.11", send: []string{pings}, octets: true, want: ten},
	}
}

func reservedCases() (all []wsCase) {
	hello, ping := cf(fin|wsText, "Hello, world!"), cf(fin|wsPing, "")
	said := []wsMessage{text("Hello, world!")}
	bad := []int{1002}
	all = []wsCase{
		{name: "3.1", send: []string{cf(fin|rsv1|wsText, "Hello, world!")}, code: bad},
		{name: "3.2", send: []string{hello + cf(fin|rsv2|wsText, "Hello") + ping}, want: said, lax: true, code: bad},
		{name: "3.3", send: []string{hello, cf(fin|rsv1|rsv2|wsText, "Hello"), ping}, want: said, lax: true, code: bad},
		{name: "3.4", send: []string{hello, cf(fin|rsv3|wsText, "Hello"), ping}, octets: true, want: said, lax: true, code: bad},
		{name: "3.5", send: []string{cf(fin|rsv1|rsv3|wsBinary, "\x00\xff")}, code: bad},
		{name: "3.6", send: []string{cf(fin|rsv2|rsv3|wsPing, "x")}, code: bad},
		{name: "3.7", send: []string{cf(fin|rsv1|rsv2|rsv3|wsClose, "\x03\xe8")}, code: bad},
	}
	return all
}

func opcodeCases() (all []wsCase) {
	hello := cf(fin|wsText, "Hello, world!")
	for group, first := range []byte{3, 11} {
		for i := range byte(5) {
			c := wsCase{name: fmt.Sprintf("4.%d.%d", group+1, i+1), code: []int{1002}, lax: true}
			payload := ""
			if i%2 == 1 {
				payload = "reserved opcode payload"
			}
			if i >= 2 {
				c.send, c.want = []string{hello}, []wsMessage{text("Hello, world!")}
			}
			c.send = append(c.send, cf(fin|(first+i), payload), cf(fin|wsPing, ""))
			c.octets = i == 4
			all = append(all, c)
		}
	}
	return all
}

func fragmentCases() []wsCase {
	one, two := cf(wsText, "fragment1"), cf(fin, "fragment2")
	both := []wsMessage{text("fragment1fragment2")}
	ping := cf(fin|wsPing, "ping payload")
	pinged := []wsMessage{pong("ping payload"), text("fragment1fragment2")}
	bad := []int{1002}
	lost := cf(0, "fragment2")
	five := []string{
		cf(wsText, "fragment1"), cf(0, "fragment2"), cf(fin|wsPing, "pongme 1!"), cf(0, "fragment3"), cf(0, "fragment4"),
		cf(fin|wsPing, "pongme 2!"), cf(fin, "fragment5"),
	}
	fived := []wsMessage{pong("pongme 1!"), pong("pongme 2!"), text("fragment1fragment2fragment3fragment4fragment5")}
	return []wsCase{
		{name: "5.1", send: []string{cf(wsPing, "frag"), cf(fin, "ment")}, code: bad},
		{name: "5.2", send: []string{cf(wsPong, "frag"), cf(fin, "ment")}, code: bad},
		{name: "5.3", send: []string{one + two}, want: both},
		{name: "5.4", send: []string{one, two}, want: both},
		{name: "5.5", send: []string{one, two}, octets: true, want: both},
		{name: "5.6", send: []string{one + ping + two}, want: pinged},
		{name: "5.7", send: []string{one, ping, two}, want: pinged},
		{name: "5.8", send: []string{one, ping, two}, octets: true, want: pinged},
		{name: "5.9", send: []string{cf(fin, "non-continuation") + cf(fin|wsText, "Hello")}, code: bad},
		{name: "5.10", send: []string{cf(fin, "non-continuation"), cf(fin|wsText, "Hello")}, code: bad},
		{name: "5.11", send: []string{cf(fin, "non-continuation"), cf(fin|wsText, "Hello")}, octets: true, code: bad},
		{name: "5.12", send: []string{lost + cf(fin|wsText, "Hello")}, code: bad},
		{name: "5.13", send: []string{lost, cf(fin|wsText, "Hello")}, code: bad},
		{name: "5.14", send: []string{lost, cf(fin|wsText, "Hello")}, octets: true, code: bad},
		{name: "5.15", send: []string{one + two, cf(0, "fragment3"), cf(fin|wsText, "fragment4")}, want: both, lax: true, code: bad},
		{name: "5.16", send: []string{lost, cf(wsText, "fragment2"), two}, code: bad},
		{name: "5.17", send: []string{cf(fin, "fragment1"), cf(wsText, "fragment2"), two}, code: bad},
		{name: "5.18", send: []string{one, cf(fin|wsText, "fragment2")}, code: bad},
		{name: "5.19", send: five, want: fived},
		{name: "5.20", send: five, octets: true, want: fived},
	}
}

// utf8Valid and utf8Invalid are autobahn's sections 6.5 to 6.22.
var utf8Valid = map[string][]string{
	"6.5":  {"κόσμε"},
	"6.7":  {"\x00", "\u0080", "\u0800", "\U00010000"},
	"6.9":  {"\u007f", "\u07ff", "\uffff", "\U0010ffff"},
	"6.11": {"\ud7ff", "\ue000", "\ufffd", "\U0010ffff"},
	"6.22": {
		"\ufffe", "\uffff", "\U0001fffe", "\U0001ffff", "\U0002fffe", "\U0002ffff", "\U0003fffe", "\U0003ffff",
		"\U0004fffe", "\U0004ffff", "\U0005fffe", "\U0005ffff", "\U0006fffe", "\U0006ffff", "\U0007fffe", "\U0007ffff",
		"\U0008fffe", "\U0008ffff", "\U0009fffe", "\U0009ffff", "\U000afffe", "\U000affff", "\U000bfffe", "\U000bffff",
		"\U000cfffe", "\U000cffff", "\U000dfffe", "\U000dffff", "\U000efffe", "\U000effff", "\U000ffffe", "\U000fffff",
		"\U0010fffe", "\U0010ffff",
	},
	"6.23": {"\ufff9", "\ufffa", "\ufffb", "\ufffc", "\ufffd", "\ufffe", "\uffff"},
}

var utf8Invalid = map[string][]string{
	"6.6": {
		"\xce", "κ\xcf", "κ\xe1", "κ\xe1\xbd", "κό\xcf", "κόσ\xce", "κόσμ\xce", "\xce\xba\xe1\xbd", "κόσμε\xce",
	},
	"6.8":  {"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80"},
	"6.10": {"\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf"},
	"6.11": {"\xf4\x90\x80\x80"},
	"6.12": {"\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80", "\x80\xbf\x80\xbf", "\x80\xbf\x80\xbf\x80", "\x80\xbf\x80\xbf\x80\xbf", "\x81\x82\x83\xbe"},
	"6.13": {"\xc0 \xc1 \xc2 \xdf ", "\xe0 \xe1 \xef ", "\xf0 \xf1 \xf7 ", "\xf8 \xf9 \xfb ", "\xfc \xfd "},
	"6.14": {
		"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80",
		"\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf",
	},
	"6.15": {"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80\xdf\xef\xbf\xf7\xbf\xbf"},
	"6.16": {"\xfe", "\xff", "\xfe\xfe\xff\xff"},
	"6.17": {"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf"},
	"6.18": {"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf"},
	"6.19": {"\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80"},
	"6.20": {"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf"},
	"6.21": {
		"\xed\xa0\x80\xed\xb0\x80", "\xed\xa0\x80\xed\xbf\xbf", "\xed\xad\xbf\xed\xb0\x80", "\xed\xad\xbf\xed\xbf\xbf",
		"\xed\xae\x80\xed\xb0\x80", "\xed\xae\x80\xed\xbf\xbf", "\xed\xaf\xbf\xed\xb0\x80", "\xed\xaf\xbf\xed\xbf\xbf",
	},
}

func utf8Cases() (all []wsCase) {
	valid, bad := "Hello-µ@ßöäüàá-UTF-8!!", "κόσμε\xed\xa0\x80edited"
	split := func(s string, n int) []string {
		parts := chop(s, n)
		frames := []string{cf(wsText, parts[0])}
		for _, p := range parts[1:] {
			frames = append(frames, cf(0, p))
		}
		return append(frames, cf(fin, ""))
	}
	said := []wsMessage{text(valid)}
	all = []wsCase{
		{name: "6.1.1", send: []string{cf(fin|wsText, "")}, want: []wsMessage{text("")}},
		{name: "6.1.2", send: []string{cf(wsText, ""), cf(0, ""), cf(fin, "")}, want: []wsMessage{text("")}},
		{name: "6.1.3", send: []string{cf(wsText, ""), cf(0, "middle frame payload"), cf(fin, "")}, want: []wsMessage{text("middle frame payload")}},
		{name: "6.2.1", send: []string{cf(fin|wsText, valid)}, want: said},
		{name: "6.2.2", send: split(valid, 12), want: said},
		{name: "6.2.3", send: split(valid, 1), want: said},
		{name: "6.2.4", send: split("κόσμε", 1), want: []wsMessage{text("κόσμε")}},
		{name: "6.3.1", send: []string{cf(fin|wsText, bad)}, code: []int{1007}},
		{name: "6.3.2", send: split(bad, 1), code: []int{1007}},
		// The failure comes before the message, or even the frame, has ended.
		{name: "6.4.1", send: []string{cf(wsText, "κόσμε"), cf(0, "\xf4\x90\x80\x80")}, code: []int{1007}},
		{name: "6.4.2", send: []string{cf(wsText, "κόσμε\xf4"), cf(0, "\x90")}, code: []int{1007}},
		{name: "6.4.3", send: []string{cf(fin|wsText, "κόσμε\xf4\x90\x80\x80edited")[:6+11+4]}, code: []int{1007}},
		{name: "6.4.4", send: []string{cf(fin|wsText, "κόσμε\xf4\x90\x80\x80edited")[:6+11+2]}, code: []int{1007}},
	}
	for section, texts := range utf8Valid {
		for i, s := range texts {
			all = append(all, wsCase{name: fmt.Sprintf("%s.%d valid", section, i+1), send: []string{cf(fin|wsText, s)}, want: []wsMessage{text(s)}})
		}
	}
	for section, texts := range utf8Invalid {
		for i, s := range texts {
			all = append(all, wsCase{name: fmt.Sprintf("%s.%d invalid", section, i+1), send: []string{cf(fin|wsText, s)}, code: []int{1007}})
		}
	}
	return all
}

func closeCases() (all []wsCase) {
	hello := cf(fin|wsText, "Hello World!")
	said := []wsMessage{text("Hello World!")}
	normal := []int{1000}
	long := strings.Repeat("BAsd7&jh23", 26000)
	all = []wsCase{
		{name: "7.1.1", send: []string{hello + closing(1000, "")}, want: said, code: normal},
		{name: "7.1.2", send: []string{closing(1000, "") + closing(1000, "")}, code: normal},
		{name: "7.1.3", send: []string{closing(1000, "") + cf(fin|wsPing, "")}, code: normal},
		{name: "7.1.4", send: []string{closing(1000, "") + hello}, code: normal},
		{name: "7.1.5", send: []string{cf(wsText, "fragment1") + closing(1000, "") + cf(fin, "fragment2")}, code: normal},
		{name: "7.1.6", send: []string{cf(fin|wsText, long) + hello + closing(1000, "") + cf(fin|wsPing, "")},
			want: []wsMessage{text(long), text("Hello World!")}, lax: true, code: normal},
		{name: "7.3.1", send: []string{cf(fin|wsClose, "")}, code: []int{1000, 1005}},
		{name: "7.3.2", send: []string{cf(fin|wsClose, "a")}, code: []int{1002}},
		{name: "7.3.3", send: []string{closing(1000, "")}, code: normal},
		{name: "7.3.4", send: []string{closing(1000, "Hello World!")}, code: normal},
		{name: "7.3.5", send: []string{closing(1000, strings.Repeat("*", 123))}, code: normal},
		{name: "7.3.6", send: []string{closing(1000, strings.Repeat("*", 124))}, code: []int{1002}},
		{name: "7.5.1", send: []string{closing(1000, "κόσμε\xed\xa0\x80edited")}, code: []int{1007}},
	}
	for i, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		all = append(all, wsCase{name: fmt.Sprintf("7.7.%d", i+1), send: []string{closing(code, "")}, code: []int{code}})
	}
	for i, code := range []int{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		all = append(all, wsCase{name: fmt.Sprintf("7.9.%d", i+1), send: []string{closing(code, "")}, code: []int{1002}})
	}
	return all
}

// limitCases are sizes and fragments of section 9, and what RFC 6455 forbids
// of lengths and masks.
func limitCases() (all []wsCase) {
	for i, n := range []int{64 << 10, 256 << 10, 1 << 20} {
		s := strings.Repeat("*", n)
		all = append(all,
			wsCase{name: fmt.Sprintf("9.1.%d", i+1), send: []string{cf(fin|wsText, s)}, want: []wsMessage{text(s)}},
			wsCase{name: fmt.Sprintf("9.2.%d", i+1), send: []string{cf(fin|wsBinary, s)}, want: []wsMessage{{wsBinary, s}}})
	}
	big := strings.Repeat("*", 1<<20)
	for i, n := range []int{64, 1024, 4096, 65536} {
		parts := chop(big, n)
		var sent strings.Builder
		sent.WriteString(cf(wsText, parts[0]))
		for _, p := range parts[1 : len(parts)-1] {
			sent.WriteString(cf(0, p))
		}
		sent.WriteString(cf(fin, parts[len(parts)-1]))
		all = append(all, wsCase{name: fmt.Sprintf("9.3.%d", i+1), send: []string{sent.String()}, want: []wsMessage{text(big)}})
	}
	for i, n := range []int{64, 1024, 4096} {
		all = append(all, wsCase{name: fmt.Sprintf("9.5.%d", i+1), send: chop(cf(fin|wsText, big[:256<<10]), n), want: []wsMessage{text(big[:256<<10])}})
	}
	for i, n := range []int{0, 16, 64, 256, 1024} {
		var sent strings.Builder
		var want []wsMessage
		for range 100 {
			sent.WriteString(cf(fin|wsText, big[:n]))
			want = append(want, text(big[:n]))
		}
		all = append(all, wsCase{name: fmt.Sprintf("9.7.%d", i+1), send: []string{sent.String()}, want: want})
	}
	bad := []int{1002}
	mask := "\x00\x00\x00\x00"
	return append(all,
		wsCase{name: "10.1.1", send: chop(cf(fin|wsText, big[:65536]), 1300), want: []wsMessage{text(big[:65536])}},
		wsCase{name: "length 125 in 16 bits", send: []string{"\x81\xfe\x00\x7d" + mask + big[:125]}, code: bad},
		wsCase{name: "length 126 in 64 bits", send: []string{"\x81\xff\x00\x00\x00\x00\x00\x00\x00\x7e" + mask + big[:126]}, code: bad},
		wsCase{name: "length with its highest bit", send: []string{"\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00" + mask}, code: bad},
		wsCase{name: "length of 2 GiB", send: []string{"\x82\xff\x00\x00\x00\x00\x80\x00\x00\x00" + mask}, code: []int{1009}},
		wsCase{name: "no mask", send: []string{"\x81\x02hi"}, code: bad},
		wsCase{name: "ping without a mask", send: []string{"\x89\x00"}, code: bad},
	)
}

func deflateCases() (all []wsCase) {
	json := strings.Repeat(`{"name": "value", "list": [1, 2, 3]}`, 4000)
	add := func(c wsCase) {
		c.deflate = true
		all = append(all, c)
	}
	for i, n := range []int{16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072} {
		s := json[:n]
		add(wsCase{name: fmt.Sprintf("12.1.%d", i+1), send: []string{cf(fin|rsv1|wsText, packed(s))}, want: []wsMessage{text(s)}})
		add(wsCase{name: fmt.Sprintf("12.2.%d", i+1), send: []string{cf(fin|rsv1|wsBinary, packed(s))}, want: []wsMessage{{wsBinary, s}}})
		p := packed(s)
		add(wsCase{name: fmt.Sprintf("12.4.%d", i+1), send: []string{cf(rsv1|wsText, p[:len(p)/2]), cf(fin, p[len(p)/2:])}, want: []wsMessage{text(s)}})
	}
	hello := packed("Hello")
	add(wsCase{name: "13 plain", send: []string{cf(fin|wsText, "Hello")}, want: []wsMessage{text("Hello")}})
	add(wsCase{name: "13 RFC 7692 7.2.3.1", send: []string{cf(fin|rsv1|wsText, "\xf2\x48\xcd\xc9\xc9\x07\x00")}, want: []wsMessage{text("Hello")}})
	add(wsCase{name: "13 RFC 7692 7.2.3.3, a block without compression", send: []string{cf(fin|rsv1|wsText, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00")}, want: []wsMessage{text("Hello")}})
	add(wsCase{name: "13 RFC 7692 7.2.3.4, a final block", send: []string{cf(fin|rsv1|wsText, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00")}, want: []wsMessage{text("Hello")}})
	add(wsCase{name: "13 RFC 7692 7.2.3.5, two blocks", send: []string{cf(fin|rsv1|wsText, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00")}, want: []wsMessage{text("Hello")}})
	add(wsCase{name: "13 an empty message of one byte", send: []string{cf(fin|rsv1|wsText, "\x00")}, want: []wsMessage{text("")}})
	add(wsCase{name: "13 an empty message of nothing", send: []string{cf(fin|rsv1|wsText, "")}, want: []wsMessage{text("")}})
	add(wsCase{name: "13 in bytes", send: []string{cf(fin|rsv1|wsText, hello)}, octets: true, want: []wsMessage{text("Hello")}})
	add(wsCase{name: "13 fragments and a ping", send: []string{cf(rsv1|wsText, hello[:3]), cf(fin|wsPing, "x"), cf(fin, hello[3:])}, want: []wsMessage{pong("x"), text("Hello")}})
	add(wsCase{name: "13 a bit on a fragment", send: []string{cf(rsv1|wsText, hello[:3]), cf(fin|rsv1, hello[3:])}, code: []int{1002}})
	add(wsCase{name: "13 a bit on a ping", send: []string{cf(fin|rsv1|wsPing, "x")}, code: []int{1002}})
	add(wsCase{name: "13 garbage", send: []string{cf(fin|rsv1|wsText, "\xff\xff\xff\xff")}, code: []int{1007}})
	add(wsCase{name: "13 no UTF-8", send: []string{cf(fin|rsv1|wsText, packed("κόσμε\xed\xa0\x80"))}, code: []int{1007}})
	add(wsCase{name: "13 half a rune", send: []string{cf(fin|rsv1|wsText, packed("κόσμε\xce"))}, code: []int{1007}})
	add(wsCase{name: "13 too big", send: []string{cf(fin|rsv1|wsBinary, packed(strings.Repeat("\x00", 16<<20+1)))}, code: []int{1009}})
	return all
}
