# After the images for FastAPI: computed numbers, printed as JSON.
# serves: app:asgi -k uvicorn.workers.UvicornWorker
# status: 201
# log: "workers_per_core": 1.0
# log: POST-INIT True
# log: GET /timed 201 Created
import json
import multiprocessing
import os

workers_per_core = float(os.getenv("WORKERS_PER_CORE", "1"))
cores = multiprocessing.cpu_count()
web_concurrency = max(int(workers_per_core * cores), 2)
workers = web_concurrency
worker_class = "uvicorn.workers.UvicornWorker"
graceful_timeout = int(os.getenv("GRACEFUL_TIMEOUT", "120"))
timeout = int(os.getenv("TIMEOUT", "120"))
keepalive = int(os.getenv("KEEP_ALIVE", "5"))
errorlog = "-"
accesslog = None

print(json.dumps({"workers_per_core": workers_per_core, "workers": workers}))


def post_worker_init(worker):
    worker.log.info("POST-INIT %s", worker.booted)


def post_request(worker, req, environ, resp):
    worker.log.info("%s %s %s", req.method, req.path, resp.status)
