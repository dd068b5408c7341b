# After Superset's and Redash's: everything from the environment, with defaults.
# serves: app:app
# log: workers: 2, threads: 3
import os

workers = int(os.environ.get("SERVER_WORKER_AMOUNT", 2))
worker_class = os.environ.get("SERVER_WORKER_CLASS", "gthread")
threads = int(os.environ.get("SERVER_THREADS_AMOUNT", 3))
timeout = int(os.environ.get("GUNICORN_TIMEOUT", 60))
keepalive = int(os.environ.get("GUNICORN_KEEPALIVE", 2))
limit_request_line = int(os.environ.get("SERVER_LIMIT_REQUEST_LINE", 0))
limit_request_field_size = int(os.environ.get("SERVER_LIMIT_REQUEST_FIELD_SIZE", 0))
forwarded_allow_ips = "*"
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}


def on_starting(server):
    server.log.info("workers: %s, threads: %s", server.cfg.workers, server.cfg.threads)
