# A config that patches Python itself, for greenlets, as shops wrote it before Gunicorn's worker did.
# serves: app:app
# log: patched: True
from gevent import monkey

monkey.patch_all()
worker_class = "gevent"
worker_connections = 200


def post_worker_init(worker):
    worker.log.info("patched: %s", monkey.is_module_patched("socket"))
