package workers

// Gevent makes Python workers serve each request in a greenlet of gevent's hub.
// They are patched before the app is loaded. In other workers it is EventLoop.
type Gevent struct{ EventLoop }

// Name implements Class.
func (Gevent) Name() string { return "gevent" }

// Aliases implements Class, with Gunicorn's names.
func (Gevent) Aliases() []string {
	return []string{
		"gevent_wsgi", "gevent_pywsgi", "gunicorn.workers.ggevent.GeventWorker", "gunicorn.workers.ggevent.GeventPyWSGIWorker",
	}
}
