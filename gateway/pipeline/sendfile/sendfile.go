// Package sendfile opens the files that apps name in X-Sendfile and X-Accel-Redirect.
// It opens nothing outside the configured folders.
package sendfile

import (
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
)

// ErrOutside says that a file may not be sent, or does not exist.
var ErrOutside = errors.New("not a file below sendfile_roots")

// Roots are the folders from which files may be sent.
type Roots struct {
	paths []string
	roots []*os.Root
}

// Open opens the folders. Close closes them.
func Open(folders []string) (*Roots, error) {
	r := &Roots{}
	for _, folder := range folders {
		root, err := os.OpenRoot(folder)
		if err != nil {
			r.Close()
			return nil, fmt.Errorf("sendfile_roots: %w", err)
		}
		r.paths, r.roots = append(r.paths, filepath.Clean(folder)), append(r.roots, root)
	}
	return r, nil
}

// Close closes the folders.
func (r *Roots) Close() {
	for _, root := range r.roots {
		root.Close()
	}
}

// Answer is what to send of a file. The caller has to close File.
type Answer struct {
	File           *os.File
	Status         int // 200, 206, 304 or 416
	Offset, Length int64
	Fields         []gateway.Field // Last-Modified, Accept-Ranges, Content-Range
	Type           string          // of the content, by the file's extension
}

// Find opens the file that an app has named: an absolute path below a root, or
// a path that is looked for in every root. Anything else matches ErrOutside.
func (r *Roots) Find(name string, q *gateway.Request) (*Answer, error) {
	f, err := r.open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("send %s: %w", name, ErrOutside)
	}
	a := &Answer{File: f, Status: 200, Length: info.Size(), Type: mime.TypeByExtension(path.Ext(name))}
	a.conditions(info, q)
	return a, nil
}

func (r *Roots) open(name string) (*os.File, error) {
	for i, root := range r.roots {
		rel := strings.TrimPrefix(path.Clean("/"+name), "/")
		if below, ok := strings.CutPrefix(path.Clean(name), r.paths[i]+"/"); ok && path.IsAbs(name) {
			rel = below
		}
		// os.Root does not leave the folder, not even through .. or links.
		// O_NONBLOCK is for FIFOs: opening one must not wait.
		f, err := root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("send %s: %w: %w", name, err, ErrOutside)
		}
	}
	return nil, fmt.Errorf("send %s: %w", name, ErrOutside)
}

// conditions answers If-Modified-Since and a Range of one part (RFC 9110, 13
// and 14).
func (a *Answer) conditions(info fs.FileInfo, q *gateway.Request) {
	modified := info.ModTime().UTC().Truncate(time.Second)
	a.Fields = append(a.Fields,
		gateway.Field{Name: "last-modified", Value: modified.Format(http.TimeFormat)},
		gateway.Field{Name: "accept-ranges", Value: "bytes"})
	if q.Method != "GET" && q.Method != "HEAD" {
		return
	}
	if since, err := http.ParseTime(q.Get("if-modified-since")); err == nil && !modified.After(since) {
		a.Status, a.Length = 304, 0
		return
	}
	spec := q.Get("range")
	if spec == "" || q.Method != "GET" {
		return
	}
	if since, err := http.ParseTime(q.Get("if-range")); q.Get("if-range") != "" && (err != nil || !modified.Equal(since)) {
		return
	}
	a.part(spec)
}

func (a *Answer) part(spec string) {
	from, to, ok := parseRange(spec, a.Length)
	if !ok {
		return // several parts, or invalid: send the whole file
	}
	if from >= a.Length {
		a.Fields = append(a.Fields, gateway.Field{Name: "content-range", Value: fmt.Sprintf("bytes */%d", a.Length)})
		a.Status, a.Length = 416, 0
		return
	}
	a.Fields = append(a.Fields, gateway.Field{Name: "content-range", Value: fmt.Sprintf("bytes %d-%d/%d", from, to, a.Length)})
	a.Status, a.Offset, a.Length = 206, from, to-from+1
}

// parseRange parses "bytes=from-to". One of the numbers may be missing.
func parseRange(spec string, size int64) (from, to int64, ok bool) {
	spec, ok = strings.CutPrefix(spec, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	if !ok || !dash || strings.Contains(spec, ",") || first == "" && last == "" {
		return 0, 0, false
	}
	to = size - 1
	var err error
	if first == "" {
		var n int64
		if n, err = strconv.ParseInt(last, 10, 64); err != nil || n < 0 {
			return 0, 0, false
		}
		if n == 0 {
			return size, to, true
		}
		return max(0, size-n), to, true
	}
	if from, err = strconv.ParseInt(first, 10, 64); err != nil || from < 0 {
		return 0, 0, false
	}
	if last != "" {
		if to, err = strconv.ParseInt(last, 10, 64); err != nil || to < from {
			return 0, 0, false
		}
		to = min(to, size-1)
	}
	return from, to, true
}
