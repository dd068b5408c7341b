//go:build ignore

// A server to measure proxies in front of.
package main

import (
	"net/http"
	"os"
)

func main() {
	_ = http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("hello"))
	}))
}
