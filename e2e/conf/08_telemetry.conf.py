# After OpenTelemetry's guide: exporters are made after the fork.
# serves: app:app --preload
# log: tracer of worker \d+ made, age [12]
# log: nworkers: None -> 2
# body: exporter
import os

preload_app = True
workers = 2


def post_fork(server, worker):
    server.log.info("tracer of worker %s made, age %s", worker.pid, worker.age)
    os.environ["FROM_CONF"] = "exporter"


def nworkers_changed(server, new_value, old_value):
    server.log.info("nworkers: %s -> %s", old_value, new_value)
