package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"
)

// paced sends requests when they are due, whether the server keeps up or not,
// and times each from when it was due. All servers get the same requests at the
// same times: what is random has the connection's number as its seed.
func (l load) paced(number int, began time.Time) (o outcome, err error) {
	if l.rate <= 0 {
		return o, fmt.Errorf("paced: -rate is missing")
	}
	random := rand.New(rand.NewPCG(1, uint64(number)))
	every := time.Duration(float64(l.connections) / l.rate * float64(time.Second))
	k := keeper{load: l}
	defer k.close()
	for due := began.Add(time.Duration(random.Float64() * float64(every))); due.Before(began.Add(l.length)); due = due.Add(every) {
		time.Sleep(time.Until(due))
		path, slow := l.target.RequestURI(), random.Float64() < l.slow
		if slow {
			path = "/slow"
		}
		if err := k.ask(path); err != nil {
			o.failed++
			continue
		}
		o.done++
		if !slow {
			o.took = append(o.took, time.Since(due))
		}
	}
	return o, nil
}

// keeper keeps its connection for the next request, unless the server closes it.
type keeper struct {
	load
	conn net.Conn
	in   *bufio.Reader
}

func (k *keeper) ask(path string) (err error) {
	if k.conn == nil {
		if k.conn, k.in, err = k.connect(); err != nil {
			return err
		}
	}
	resp, err := k.get(k.conn, k.in, path)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	}
	if err != nil || resp.Close {
		k.close()
	}
	return err
}

func (k *keeper) close() {
	if k.conn != nil {
		k.conn.Close()
		k.conn = nil
	}
}
