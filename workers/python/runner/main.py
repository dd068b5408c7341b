"""A worker from its start to its end."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from typing import Any

from . import classes, conf, early, loader, notify, own_class, records, settings, template
from .loader import AppError
from .stacks import trim


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during an import must not raise in the app
    notify.take_environment()
    chosen = settings.take()
    records.captured = chosen.captured
    sys.argv = ["gonicorn"]
    show_name("gonicorn template" if chosen.template_fd >= 0 and not chosen.early else "gonicorn worker", chosen)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # a log wants whole lines, at once
    if chosen.inspect:
        inspect(chosen)
        return
    if chosen.master:
        from . import master

        show_name("gonicorn hooks", chosen)
        master.serve(chosen)
        return
    if chosen.portable:
        from . import watch

        watch.shield()
    course = Course(chosen)
    try:
        course.run()
    except AppError as e:
        chosen = course.chosen
        if chosen.template_fd >= 0 and chosen.tell:
            show(e)
            early.give_up(chosen, e)
        if chosen.template_fd >= 0 and not chosen.early:
            show(e)
            template.fail(chosen, str(e), isinstance(e, loader.BootFailure))
        report(e, "" if isinstance(e, loader.BootFailure) else "app: ")


class Course:
    """The steps of a worker or a template, in order."""

    def __init__(self, chosen: settings.Settings):
        self.chosen = chosen
        self.app: Any = None
        self.interface = ""

    def run(self) -> None:
        prepare(self.chosen)
        self.hooks = self.chosen.own_hooks = configure(self.chosen)
        if self.chosen.template_fd >= 0 and not self.chosen.early:
            self.load()
        elif not self.work(self.load):
            return
        while True:
            show_name("gonicorn template", self.chosen)
            self.chosen = template.serve(self.interface, self.chosen)  # it returns in a worker
            show_name("gonicorn worker", self.chosen)
            if not self.work(lambda: self.app):
                return

    def work(self, load) -> bool:
        """Runs a worker from start to end. Returns true if it has become the template."""
        begin(self.hooks, self.chosen)
        if self.hooks.own is not None:
            own_class.work(self.chosen, self.hooks, load, self.loaded, self.serve)
        else:
            app = load()
            self.loaded(app)
            self.serve(app)
        self.hooks.ended()
        if not template.promoted(self.chosen):
            return False
        self.chosen = template.promote(self.chosen)
        return True

    def load(self):
        """Loads the app, and waits for a position if the worker has none yet."""
        with early.explained():
            self.app, self.interface, error = load_or_page(self.chosen)
        self.chosen.worker_class = self.chosen.worker_class or classes.suiting(self.interface).name
        if self.chosen.early:
            self.chosen = early.wait(self.chosen, error)
        return self.app

    def loaded(self, app) -> None:
        try:
            self.hooks.loaded(app)
        except Exception as e:
            raise loader.BootFailure("the hook post_worker_init failed: %s: %s" % (type(e).__name__, e)) from e

    def serve(self, app) -> None:
        classes.named(self.chosen.worker_class).load().serve(app, self.interface, self.chosen)


def prepare(chosen: settings.Settings) -> None:
    """Patches Python if the class needs it, before any code of the app or of a config file runs."""
    loader.prepare_path(chosen.chdir, chosen.pythonpath)
    if chosen.own_class:
        chosen.worker_type = own_class.find(chosen.own_class, lambda: conf.evaluate(chosen.conf, chosen.conf_source))
        if not chosen.worker_class:  # else it is known already, and CONFIG_KWARGS are in the settings
            chosen.worker_class = chosen.worker_type.serves_as
            own_class.take_kwargs(chosen)
    if classes.patched_by(chosen.worker_class):
        classes.named(chosen.worker_class).load().patch()


def configure(chosen: settings.Settings) -> conf.Hooks:
    """Sets up Python's logging, and evaluates the gunicorn.conf.py, if there is one."""
    if chosen.spew and not chosen.inspect:
        from . import spew

        spew.install()
    try:
        hooks = conf.Hooks(chosen)
        if chosen.conf:
            loader.refuse_patched(chosen.conf, classes.patched_by(chosen.worker_class), chosen.worker_class)
        return hooks
    except AppError:
        raise
    except Exception as e:
        what = chosen.conf or "logconfig"
        raise loader.BootFailure("%s fails in a worker: %s: %s" % (what, type(e).__name__, e)) from e


def begin(hooks: conf.Hooks, chosen: settings.Settings) -> None:
    if chosen.worker_type is not None:
        hooks.employ(own_class.make(chosen, hooks))
    try:
        hooks.started(chosen)
    except Exception as e:
        raise loader.BootFailure("the hook post_fork failed: %s: %s" % (type(e).__name__, e)) from e


def show_title(title: str) -> None:
    """Sets the title that ps shows: it overwrites the command line (proc(5), arg_start)."""
    try:
        with open("/proc/self/stat", "rb") as f:
            fields = f.read().rpartition(b")")[2].split()
        start, end = int(fields[45]), int(fields[46])
        text = title.encode("utf-8", "replace")[: end - start - 1]
        with open("/proc/self/mem", "r+b", buffering=0) as f:
            f.seek(start)
            f.write(text.ljust(end - start, b"\0"))
    except (OSError, ValueError, IndexError):
        pass  # the system does not allow it; top shows the name


def show_name(name: str, chosen: settings.Settings | None = None) -> None:
    """Sets the name that top and ps show."""
    if chosen is not None:
        show_title(name.replace(" ", ": ", 1) + (" [%s]" % chosen.proc_name if chosen.proc_name else ""))
    try:
        with open("/proc/self/comm", "w") as f:
            f.write(name[:15])
    except OSError:
        pass


def load_or_page(chosen: settings.Settings):
    """Returns the app, its interface and None. If the app cannot be loaded, an error page and the error instead.

    An app that was misnamed when gonicorn started gets no page: saving a file would not fix that.
    """
    try:
        return (*load(chosen), None)
    except AppError as e:
        if not chosen.develop or not (chosen.reloaded or e.__cause__):
            raise
        from .broken import Page

        show(e)
        interface = classes.named(chosen.worker_class).interface if chosen.worker_class else loader.WSGI
        return getattr(Page(e), interface), interface, e


def load(chosen: settings.Settings):
    if chosen.app.startswith(loader.PASTE):
        app = loader.load_paste(chosen.app[len(loader.PASTE) :], chosen.paste_global)
    else:
        app = loader.load(chosen.app, chosen.factory)
    interface = loader.interface_of(app)
    own = classes.patched_by(chosen.worker_class)
    if own and interface != loader.WSGI:
        why = "%s is an ASGI app, and %s serves WSGI: leave worker_class out, or take asgi"
        raise AppError(why % (chosen.app, own))
    loader.refuse_patched(chosen.app, own, chosen.worker_class)
    return app, interface


def inspect(chosen: settings.Settings) -> None:
    """Prints what the app is, as one line of JSON, for the process that has asked."""
    out = os.dup(1)
    os.dup2(2, 1)  # what the app prints while it is imported is not the answer
    try:
        prepare(chosen)
        configure(chosen)
        _, interface = load(chosen)
        answer = {"interface": interface, "files": loader.own_files()}
    except AppError as e:
        show(e)
        answer = {"error": str(e), "failed": isinstance(e, loader.BootFailure), "files": loader.own_files(e)}
    os.write(out, json.dumps(answer).encode())
    os._exit(0)


def report(error: AppError, prefix: str) -> None:
    """Says why the worker cannot start: the traceback to the log, the reason to the arbiter."""
    show(error)
    notify.notify("X_GONICORN_ERROR=" + prefix + str(error).replace("\n", " "))
    notify.await_hearing()
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(1)


def show(error: AppError) -> None:
    cause = error.__cause__
    if cause is not None:
        tb = trim(cause.__traceback__)
        if isinstance(cause, SyntaxError) and tb is cause.__traceback__:
            tb = None  # all frames are the runner's; the text has file and line
        lines = traceback.format_exception(type(cause), cause, tb)
        sys.stderr.write("".join(lines))
