# After what Django projects on public hosts have.
# serves: app:app
# body: mysite.settings
# log: Server is ready. Spawning workers
import multiprocessing
import os

os.environ.setdefault("FROM_CONF", "mysite.settings")
wsgi_app = "app:app"
workers = min(multiprocessing.cpu_count() * 2 + 1, 3)
timeout = 120
keepalive = 5
max_requests = 1000
max_requests_jitter = 50
accesslog = "-"
errorlog = "-"
loglevel = "info"
proc_name = "mysite"


def when_ready(server):
    server.log.info("Server is ready. Spawning workers")
