package config

import (
	"slices"
	"strings"
	"testing"
)

// What a class wants is taken where nobody has chosen, as far as it may say it.
func TestAdopt(t *testing.T) {
	c := Default()
	c.RootPath = "/chosen"
	err := c.Adopt(map[string]any{"root_path": "/kwargs", "websocket_max_message_size": 1024.0, "forwarded_allow_ips": []any{"10.0.0.1"}})
	if err != nil || c.RootPath != "/chosen" || c.WebsocketMaxMessageSize != 1024 || !slices.Equal(c.ForwardedAllowIPs, []string{"10.0.0.1"}) {
		t.Errorf("%q %d %v %v", c.RootPath, c.WebsocketMaxMessageSize, c.ForwardedAllowIPs, err)
	}
	for want, wrong := range map[string]map[string]any{
		"a worker class cannot set user": {"user": "root"},
		"root_path: must be":             {"root_path": []any{"x"}},
		"keepalive: ":                    {"keepalive": "never"},
	} {
		c := Default()
		if err := c.Adopt(wrong); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", wrong, err, want)
		}
	}
}

func TestIsPythonClass(t *testing.T) {
	for name, want := range map[string]bool{
		"shop.Worker": true, "a.b.C": true, "sync": false, ".x": false, "x.": false, "gunicorn.workers.x.Y": false, "./x.py": false, "egg:gunicorn#sync": false,
	} {
		if IsPythonClass(name) != want {
			t.Errorf("%s: %t", name, !want)
		}
	}
}
