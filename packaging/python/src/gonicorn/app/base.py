"""For programs that embed Gunicorn: replace gunicorn.app.base by gonicorn.app.base.

    class Application(gonicorn.app.base.BaseApplication):
        def load_config(self):
            self.cfg.set("workers", 4)

        def load(self):
            return make_app()

    if __name__ == "__main__":
        Application().run()

run() turns this process into gonicorn. Each worker runs the program again, as __main__ and with the same arguments, up
to the call of run(), and serves what load() returns there. So the code before run() runs in each worker too.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from typing import Any

from .._run import arguments, execute
from .._settings import SETTINGS

PROGRAM = "GONICORN_PROGRAM"


class Config:
    """The settings of a program, by name: the part of Gunicorn's Config that embedding programs use."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] = dict.fromkeys(SETTINGS)
        self.given: dict[str, Any] = {}

    def set(self, name: str, value: Any) -> None:
        """Sets a setting. Raises AttributeError for an unknown name, as Gunicorn does."""
        name = name.lower()
        if name not in self.settings:
            raise AttributeError("No configuration setting for: %s" % name)
        self.settings[name] = self.given[name] = value

    def __getattr__(self, name: str) -> Any:
        settings = self.__dict__.get("settings", {})
        if name not in settings:
            raise AttributeError("No configuration setting for: %s" % name)
        return settings[name]


class Loaded(BaseException):
    """Carries a worker's app out of the program that made it. A BaseException, so that no other code catches it."""

    def __init__(self, app: Any) -> None:
        self.app = app


class BaseApplication:
    """A program that is an app. load_config says how to serve it, and load returns the app."""

    def __init__(self, usage: str | None = None, prog: str | None = None) -> None:
        self.usage = usage
        self.prog = prog
        self.callable: Any = None
        self.cfg = Config()
        self.load_config()

    def load_config(self) -> None:
        """Sets settings with self.cfg.set(name, value)."""
        raise NotImplementedError

    def load(self) -> Any:
        """Returns the WSGI or ASGI app. It runs in each worker."""
        raise NotImplementedError

    def wsgi(self) -> Any:
        """Returns the app. It is loaded once."""
        if self.callable is None:
            self.callable = self.load()
        return self.callable

    def run(self) -> None:
        """Serves the app, and does not return. In a worker it passes the app to gonicorn instead."""
        if PROGRAM in os.environ:
            raise Loaded(self.wsgi())
        environ = {**os.environ, PROGRAM: json.dumps(program())}
        execute(["--factory", "gonicorn.app.base:loaded", *arguments(self.cfg.given)], environ)


def program() -> dict[str, Any]:
    """Returns how to run this program again."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    path = getattr(main, "__file__", None)
    if spec is None and path is None:
        raise SystemExit("gonicorn: workers run the program again, and this one is not in a file")
    name = spec.name.removesuffix(".__main__") if spec is not None else ""
    return {"module": name, "path": os.path.abspath(path or ""), "argv": sys.argv, "sys_path": sys.path}


def loaded() -> Any:
    """Returns the app of the program that this worker belongs to. gonicorn calls it in each worker."""
    here = json.loads(os.environ[PROGRAM])
    sys.argv[:] = here["argv"]
    sys.path[:] = list(dict.fromkeys([*here["sys_path"], *sys.path]))
    try:
        if here["module"]:
            runpy.run_module(here["module"], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(here["path"], run_name="__main__")
    except Loaded as found:
        return found.app
    raise SystemExit("%s ended without a call of run()" % (here["module"] or here["path"]))
