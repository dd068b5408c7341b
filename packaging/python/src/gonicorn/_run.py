"""Turns keyword arguments into a command line and executes the binary in this process."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NoReturn

from ._binary import find_binary
from ._settings import ALIASES, SETTINGS


def run(
    app: str, *, host: str | None = None, port: int | None = None, uds: str | None = None, **settings: object
) -> NoReturn:
    """Runs an app, named as "module:attribute". It does not return: this process becomes gonicorn.

    Settings have the same names as in gunicorn.toml: workers=4, reload=True, bind=":8000", timeout=30 (seconds, or a
    timedelta). host, port and uds are those of uvicorn.run, and set bind.

    Raises TypeError for an unknown setting, and ValueError for one that cannot be given here. gonicorn itself checks
    the values. If the binary is missing, raises SystemExit, which says where it should be.
    """
    if not isinstance(app, str):
        raise TypeError('name the app as "module:attribute": workers are other processes and import it themselves')
    if host is not None or port is not None or uds is not None:
        if "bind" in settings:
            raise TypeError("give bind, or host, port and uds, not both")
        address = host or "127.0.0.1"
        if ":" in address:
            address = "[%s]" % address  # IPv6
        settings["bind"] = "unix:" + uds if uds else "%s:%d" % (address, 8000 if port is None else port)
    execute([app, *arguments(settings)])


def arguments(settings: Mapping[str, object]) -> list[str]:
    """Returns the flags for these settings. Raises as run does."""
    found = []
    for name, value in settings.items():
        flag = SETTINGS.get(ALIASES.get(name, name))
        if flag is None:
            near = difflib.get_close_matches(name, [*SETTINGS, *ALIASES], 1)
            raise TypeError("gonicorn has no setting %s%s" % (name, "; did you mean %s?" % near[0] if near else ""))
        if not flag:
            raise ValueError("%s cannot be given here: write it into a gunicorn.conf.py and give config=" % name)
        if value is None:
            continue
        for text in texts(name, value):
            found.append("--%s=%s" % (flag, text))
    return found


def texts(name: str, value: object) -> Sequence[str]:
    """Returns a value as the texts of flags. A list repeats the flag."""
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, timedelta):
        return ["%fs" % value.total_seconds()]
    if isinstance(value, (str, int, float, os.PathLike)):
        return [os.fspath(value) if isinstance(value, os.PathLike) else str(value)]
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in texts(name, item)]
    raise ValueError("%s: a %s is no value of a setting" % (name, type(value).__name__))


def execute(words: Sequence[str], environ: Mapping[str, str] | None = None) -> NoReturn:
    """Executes the binary in this process. Workers run with this Python unless another one is set."""
    try:
        binary = find_binary()
    except FileNotFoundError as e:
        raise SystemExit("gonicorn: %s" % e) from None
    env = dict(os.environ if environ is None else environ)
    env.setdefault("GONICORN_PYTHON", sys.executable)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(binary, ["gonicorn", *words], env)
