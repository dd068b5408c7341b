// Package python starts Python workers: it finds the interpreter, hands it the
// runner that is embedded here, and asks what an app is.
package python

// Settings is what a worker is told, as JSON; runner/settings.py reads it.
type Settings struct {
	App          string   `json:"app"`          // module:attribute, or a factory's call
	Factory      bool     `json:"factory"`      // the attribute is to be called
	Class        string   `json:"worker_class"` // sync, threaded, event-loop
	Threads      int      `json:"threads"`
	Chdir        string   `json:"chdir"`
	Pythonpath   []string `json:"pythonpath"`
	Lifespan     string   `json:"lifespan"`     // auto, on, off
	Loop         string   `json:"loop"`         // auto, asyncio, uvloop
	Multiprocess bool     `json:"multiprocess"` // several workers: wsgi.multiprocess
	RootPath     string   `json:"root_path"`
	Inspect      bool     `json:"inspect"` // print what the app is, and end
}

// Kinds of apps.
const (
	WSGI = "wsgi"
	ASGI = "asgi"
)
