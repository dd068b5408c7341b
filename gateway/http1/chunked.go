package http1

import (
	"bytes"
	"errors"
	"io"

	"github.com/gonicorn/gonicorn/gateway"
)

const (
	maxChunkLine  = 4 << 10  // bytes of a chunk's size with its extensions
	chunkOverhead = 16 << 10 // bytes of sizes and extensions, beyond what is usual for the data
)

// ChunkedReader decodes a chunked body (RFC 9112, 7.1). It reads exactly to the end
// of the body, so that the next message is left in the Reader.
type ChunkedReader struct {
	in       *Reader
	rules    *Rules
	left     int64 // bytes of the current chunk
	inChunk  bool  // data or its CRLF is still to come
	overhead int64
	trailing int // bytes of trailers
	lines    fieldLines
	trailers []gateway.Field
	err      error
}

// NewChunkedReader decodes the body that is next in in. rules apply to its trailers.
func NewChunkedReader(in *Reader, rules *Rules) *ChunkedReader {
	return &ChunkedReader{in: in, rules: rules}
}

// Trailers returns the trailer fields, with names in lower case, once Read has
// returned io.EOF.
func (c *ChunkedReader) Trailers() []gateway.Field { return c.trailers }

// Read returns decoded data, and io.EOF after the trailers. An invalid body is a
// *BadRequest, and one that is cut off is io.ErrUnexpectedEOF. All errors except
// ErrDry are final.
func (c *ChunkedReader) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.read(p)
	if err != nil && !errors.Is(err, ErrDry) {
		switch {
		case errors.Is(err, errBodyEnd):
			err = io.EOF
		case errors.Is(err, io.EOF):
			err = io.ErrUnexpectedEOF
		}
		c.err = err
	}
	return n, err
}

// errBodyEnd is the end of the body, as opposed to the end of the connection.
var errBodyEnd = errors.New("end of body")

func (c *ChunkedReader) read(p []byte) (int, error) {
	for c.left == 0 {
		if c.inChunk {
			if err := c.chunkEnd(); err != nil {
				return 0, err
			}
		}
		last, err := c.chunkSize()
		if err != nil {
			return 0, err
		}
		if last {
			if err := c.readTrailers(); err != nil {
				return 0, err
			}
			return 0, errBodyEnd
		}
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.in.Read(p)
	c.left -= int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// chunkEnd takes the CRLF after a chunk's data.
func (c *ChunkedReader) chunkEnd() error {
	for len(c.in.Buffered()) < 2 {
		if b := c.in.Buffered(); len(b) == 1 && b[0] != '\r' {
			return bad("chunk is longer than its size")
		}
		if err := c.in.Fill(maxChunkLine); err != nil {
			return err
		}
	}
	if b := c.in.Buffered(); b[0] != '\r' || b[1] != '\n' {
		return bad("chunk is longer than its size")
	}
	c.in.Discard(2)
	c.inChunk = false
	return nil
}

func (c *ChunkedReader) chunkSize() (last bool, err error) {
	n, err := c.nextLine(maxChunkLine, bad("chunk extensions too long"))
	if err != nil {
		return false, err
	}
	size, err := parseChunkSize(c.in.Buffered()[:n-2])
	if err != nil {
		return false, err
	}
	c.in.Discard(n)
	if c.overhead += int64(n) - 16 - 2*min(size, 1<<20); c.overhead < 0 {
		c.overhead = 0
	}
	if c.overhead > chunkOverhead {
		return false, bad("chunk extensions too long")
	}
	c.left, c.inChunk = size, size > 0
	return size == 0, nil
}

// nextLine reads until a whole line is buffered, and returns its length with CRLF.
func (c *ChunkedReader) nextLine(limit int, tooLong error) (int, error) {
	scanned := 0
	for {
		b := c.in.Buffered()
		if i := bytes.IndexByte(b[scanned:], '\n'); i >= 0 {
			n := scanned + i + 1
			if n > limit {
				return 0, tooLong
			}
			if n < 2 || b[n-2] != '\r' {
				return 0, bad("line ended by a bare LF")
			}
			return n, nil
		}
		if scanned = len(b); scanned >= limit {
			return 0, tooLong
		}
		if err := c.in.Fill(scanned + limit); err != nil {
			return 0, err
		}
	}
}

// parseChunkSize parses hexadecimal digits, and checks the extensions after a
// semicolon.
func parseChunkSize(line []byte) (int64, error) {
	var size int64
	digits := 0
	for digits < len(line) && classes[line[digits]]&hexChar != 0 {
		d := line[digits]
		switch {
		case d <= '9':
			d -= '0'
		default:
			d = d | 0x20 - 'a' + 10
		}
		if digits >= 15 {
			return 0, bad("chunk size too large")
		}
		size = size<<4 | int64(d)
		digits++
	}
	if digits == 0 {
		return 0, bad("invalid chunk size")
	}
	rest := line[digits:]
	if len(rest) == 0 {
		return size, nil
	}
	if ext := trim(rest); len(ext) == 0 || ext[0] != ';' || !all(rest, valueChar) {
		return 0, bad("invalid chunk size")
	}
	return size, nil
}

// readTrailers takes the trailer section and the empty line after it.
func (c *ChunkedReader) readTrailers() error {
	limits := c.rules.Limits.withDefaults()
	for {
		n, err := c.nextLine(limits.FieldSize+2, tooLarge("trailer field too long"))
		if err != nil {
			return err
		}
		if n == 2 {
			c.in.Discard(2)
			return nil
		}
		if c.trailing += n; c.trailing > limits.Head {
			return tooLarge("trailers too long")
		}
		line := c.in.Buffered()[:n-2]
		c.lines.spans = c.lines.spans[:0]
		if line[0] == ' ' || line[0] == '\t' {
			return bad("trailer line that begins with a space")
		}
		kept, err := c.lines.add(line, 0, len(line), c.rules, &limits, false)
		if err != nil {
			return err
		}
		if kept {
			c.trailers = c.lines.append(c.trailers, string(line))
			switch last := len(c.trailers) - 1; {
			case hostileTrailer(c.trailers[last].Name):
				return bad("forbidden trailer field")
			case forbiddenTrailer(c.trailers[last].Name):
				c.trailers = c.trailers[:last]
			}
		}
		c.in.Discard(n)
	}
}
