# After images that take every setting from GUNICORN_* variables.
# serves: app:app
# env: MYAPP_WORKERS=3
# env: MYAPP_PROC_NAME=envy
# log: on_exit of envy with 3
# signal: TERM
import os

for key, value in os.environ.items():
    if key.startswith("MYAPP_"):
        name = key[6:].lower()
        locals()[name] = int(value) if value.isdigit() else value


def on_exit(server):
    server.log.info("on_exit of %s with %s", server.proc_name, server.num_workers)


def worker_exit(server, worker):
    server.log.info("worker %s of %s ends", worker.pid, server.pid)
