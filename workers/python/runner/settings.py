"""The settings that the arbiter gives a worker: see settings.go for the meaning of each."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conf import Hooks

INTERNAL = (
    "GONICORN_ROLE",
    "GONICORN_WORKER",
    "GONICORN_SLOT_FD",
    "GONICORN_LIFELINE_FD",
    "GONICORN_CONN_FD",
    "GONICORN_TEMPLATE_FD",
    "GONICORN_AGE",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
)


@dataclass
class Settings:
    app: str = ""
    factory: bool = False
    worker_class: str = "sync"  # "" is the class that suits the app
    threads: int = 1
    chdir: str = ""
    pythonpath: list[str] = field(default_factory=list)
    lifespan: str = "auto"
    loop: str = "auto"
    disconnect_grace: float = 0.0
    spew: bool = False
    multiprocess: bool = False
    stall_warning: float = 1.0  # seconds; 0 is never
    request_warning: float = 5.0
    batch_scheduling: bool = False  # see batch.py
    loglevel: str = "info"
    logconfig: str = ""  # a file for logging.config.fileConfig
    logconfig_json: str = ""  # a JSON file for dictConfig
    logconfig_dict: dict = field(default_factory=dict)
    conf: str = ""  # the gunicorn.conf.py, or python:module
    conf_source: str = ""
    hooks: list[str] = field(default_factory=list)  # the names of those that it defines
    cfg: dict = field(default_factory=dict)  # all settings, for hooks
    master: bool = False  # run the master's hooks instead of an app
    own_class: str = ""  # mypackage.MyClass: see own_class.py
    worker_type: type | None = None  # that class
    gateway_settings: dict = field(default_factory=dict)  # settings of the gateway that this class asks for
    age: int = 0  # counts starts of workers
    refork_sockets: bool = False  # a worker with open sockets may become the template
    inspect: bool = False  # look at the app, print what it is, and end
    paste_global: list[str] = field(default_factory=list)  # NAME=value
    proc_name: str = ""
    statsd: dict = field(default_factory=dict)  # see statsd.py
    logger_class: str = ""
    access_log_format: str = ""
    captured: bool = True  # the arbiter reads what the worker writes
    early: bool = False  # load the app, and wait for a position
    tell: bool = False  # report what the app is
    develop: bool = False  # an app that cannot be loaded answers with its traceback
    reloaded: bool = False  # it served before
    portable: bool = False  # a signal goes to the process, not to one of its threads
    slot_fd: int = -1
    lifeline_fd: int = -1
    conn_fd: int = -1
    template_fd: int = -1  # be a template for workers, and take orders here
    promote_fd: int = -1  # when this worker has finished, become a template, and take orders here
    promote_after: int = 0  # requests after which it asks to be replaced
    template_output: int = -1  # where a template writes
    inherited_sockets: dict[str, int] = field(default_factory=dict)  # see inheritance.py
    own_hooks: Hooks | None = None  # the hooks of this process


def take() -> Settings:
    """Reads the settings and takes them out of the environment, so that the app's children do not see them."""
    environ = {name: os.environ.pop(name, "") for name in INTERNAL}
    given = json.loads(environ["GONICORN_WORKER"])
    settings = Settings(**{k: v for k, v in given.items() if v is not None})
    for name, variable in (
        ("slot_fd", "GONICORN_SLOT_FD"),
        ("lifeline_fd", "GONICORN_LIFELINE_FD"),
        ("conn_fd", "GONICORN_CONN_FD"),
        ("template_fd", "GONICORN_TEMPLATE_FD"),
        ("age", "GONICORN_AGE"),
    ):
        if environ[variable]:
            setattr(settings, name, int(environ[variable]))
    for fd in (settings.slot_fd, settings.lifeline_fd, settings.conn_fd, settings.template_fd):
        if fd >= 0:
            os.set_inheritable(fd, False)
    return settings
