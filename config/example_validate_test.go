package config_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/config"
)

// A program that starts gonicorn itself makes its config from the defaults.
func Example() {
	c := config.Default()
	c.Bind = []string{"127.0.0.1:8000", "unix:/run/shop.sock"}
	c.Workers = 4
	c.Timeout = 10 * time.Second
	c.RequestTimeout = 30 * time.Second
	fmt.Println(c.Validate(nil))
	// Output: <nil>
}

// Validate tells all mistakes at once.
func ExampleConfig_Validate() {
	c := config.Default()
	c.Workers = -1
	c.Keepalive = -time.Second
	err := c.Validate([]string{"sync", "event-loop"})
	fmt.Println(strings.Count(err.Error(), "\n")+1, "mistakes")
	// Output: 2 mistakes
}
