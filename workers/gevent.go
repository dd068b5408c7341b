package workers

// Gevent has Python workers serve each request in a greenlet of gevent's hub,
// patched before the app is loaded. Elsewhere it is the event loop.
type Gevent struct{ EventLoop }

// Name implements Class.
func (Gevent) Name() string { return "gevent" }

// Aliases implements Class: Gunicorn's names.
func (Gevent) Aliases() []string {
	return []string{
		"gevent_wsgi", "gevent_pywsgi", "gunicorn.workers.ggevent.GeventWorker", "gunicorn.workers.ggevent.GeventPyWSGIWorker",
	}
}
