# Prometheus' multiprocess mode, as its documentation has it.
# serves: app:app
# log: marked \d+ dead
# signal: HUP
import os
import shutil

from prometheus_client import multiprocess

workers = 2
os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", os.path.abspath("metrics"))


def on_starting(server):
    shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
    os.makedirs(os.environ["PROMETHEUS_MULTIPROC_DIR"])


def child_exit(server, worker):
    multiprocess.mark_process_dead(worker.pid)
    server.log.info("marked %s dead", worker.pid)
