"""The process beside the arbiter that runs the master's hooks of a gunicorn.conf.py.

Events come on standard input, one JSON object per line. Each is answered with an object on standard output once its
hook has returned. The process ends with its input.
"""

from __future__ import annotations

import json
import os
import sys
import traceback

from . import conf, loader, logs
from .gunicorn_compat import Config, Server, Worker
from .stacks import trim


def serve(chosen) -> None:
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what hooks print is not an answer
    loader.prepare_path(chosen.chdir, chosen.pythonpath)
    master = Master(chosen)
    for line in sys.stdin:
        answer = master.handle(json.loads(line))
        sys.stdout.flush()
        sys.stderr.flush()
        out.write(json.dumps(answer) + "\n")


class Master:
    """Calls the hooks, with a model of the arbiter that each event updates."""

    def __init__(self, chosen):
        values = conf.evaluate(chosen.conf, chosen.conf_source)
        log = logs.configure(chosen, values)
        self.hooks = {n: values[n] for n in chosen.hooks if callable(values.get(n))}
        self.log = log
        self.server = Server(chosen.cfg, log)

    def handle(self, event: dict) -> dict:
        name, server = event["event"], self.server
        server.num_workers = event.get("workers") or server.num_workers
        args: tuple = (server,)
        if "worker" in event:
            args = (server, self.worker(name, event["worker"]))
        elif name == "nworkers_changed":
            args = (server, event["workers"], event.get("before") or None)
        failure = self.call(name, args)
        if name == "child_exit":
            server.WORKERS.pop(event["worker"]["pid"], None)
        return {"error": failure}

    def worker(self, name: str, told: dict) -> Worker:
        worker = self.server.WORKERS.get(told["pid"])
        if worker is None:
            worker = Worker(Config(**vars(self.server.cfg)), self.log)
            worker.pid, worker.id, worker.age, worker.ppid = told["pid"], told["id"], told["age"], self.server.pid
            self.server.WORKERS[worker.pid] = worker
        self.server.worker_age = max(self.server.worker_age, worker.age)
        if name == "child_exit":
            worker.alive, worker.exit = False, told.get("exit", "")
        return worker

    def call(self, name: str, args: tuple) -> str:
        hook = self.hooks.get(name)
        if hook is None:
            return ""
        try:
            hook(*args)
            return ""
        except SystemExit as e:
            return "it ends the process: exit(%s)" % (e.code,)
        except Exception as e:
            sys.stderr.write("".join(traceback.format_exception(type(e), e, trim(e.__traceback__))))
            return "%s: %s" % (type(e).__name__, e)
