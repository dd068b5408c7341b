# Monkey patching, which gonicorn's workers cannot have, is refused with what to do instead.
# serves: app:app
# refused: gevent's monkey patches.*event-loop
try:
    from gevent import monkey
except ImportError:  # this is all that tells it
    import sys
    from types import SimpleNamespace

    sys.modules["gevent.monkey"] = monkey = SimpleNamespace(saved={}, patch_all=lambda: monkey.saved.update(os={}))

monkey.patch_all()
worker_class = "gevent"
