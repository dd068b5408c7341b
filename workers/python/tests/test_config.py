"""What a worker is told: settings, hooks, a worker class of the app's own; and where a request is."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from types import SimpleNamespace

import pytest
from runner import conf, own_class, where
from runner.loader import AppError, BootFailure
from runner.settings import INTERNAL, Settings, take


def test_settings_leave_the_environment(monkeypatch):
    for name in INTERNAL:
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("GONICORN_WORKER", json.dumps({"app": "main:app", "threads": 4, "pythonpath": None}))
    monkeypatch.setenv("GONICORN_AGE", "7")
    read, write = os.pipe()
    os.set_inheritable(read, True)
    monkeypatch.setenv("GONICORN_CONN_FD", str(read))
    settings = take()
    assert (settings.app, settings.threads, settings.pythonpath, settings.age) == ("main:app", 4, [], 7)
    assert settings.conn_fd == read and not os.get_inheritable(read) and settings.slot_fd == -1
    assert not any(name in os.environ for name in INTERNAL)
    os.close(read)
    os.close(write)


def test_settings_that_nobody_knows(monkeypatch):
    monkeypatch.setenv("GONICORN_WORKER", json.dumps({"invented": 1}))
    with pytest.raises(TypeError, match="invented"):
        take()


def test_the_config_file_is_evaluated(tmp_path, app_folder):
    values = conf.evaluate("/nowhere/gunicorn.conf.py", "here = __file__, __name__\n")
    assert values["here"] == ("/nowhere/gunicorn.conf.py", "__config__")
    (tmp_path / "on_disk.py").write_text("x = 1\n")
    assert conf.evaluate(str(tmp_path / "on_disk.py"), "")["x"] == 1
    assert conf.evaluate("python:on_disk", "")["x"] == 1
    with pytest.raises(SyntaxError) as said:
        conf.evaluate("/nowhere/gunicorn.conf.py", "x = (\n")
    assert said.value.filename == "/nowhere/gunicorn.conf.py"


@pytest.mark.parametrize("many", [2, 3, 4])
def test_post_request_takes_what_it_names(many):
    got = []
    names = "abcd"[:many]
    hook = eval("lambda %s: got.append((%s))" % (",".join(names), ",".join(names)), {"got": got})
    conf.call_after(hook, 1, 2, 3, 4)
    conf.call_after(lambda *args: got.append(args), 1, 2, 3, 4)
    assert got == [(1, 2, 3, 4)[:many], (1, 2, 3, 4)]


def test_a_hook_that_fails_is_logged(caplog):
    assert conf.guarded("pre_request", lambda: None)
    assert not conf.guarded("pre_request", lambda: 1 / 0)
    assert "the hook pre_request failed: ZeroDivisionError" in caplog.text


CLASSES = """
from gunicorn.workers.sync import SyncWorker
from uvicorn.workers import UvicornWorker
class Own(SyncWorker): pass
class Async(UvicornWorker):
    CONFIG_KWARGS = {"loop": "asyncio", "lifespan": "off", "root_path": "/x", "headers": [("X-From", "kwargs")],
        "ws_ping_interval": None, "proxy_headers": False, "http": "h11", "h11_max_incomplete_event_size": 1}
class Stranger: pass
not_a_class = 3
"""


@pytest.fixture
def classes(app_folder, monkeypatch):
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    for name in own_class.PACKAGES + tuple(own_class.MODULES):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (app_folder / "shop_workers.py").write_text(CLASSES)
    return lambda name: own_class.find(name, lambda: {"Mine": own_class.GeventWorker})


@pytest.mark.parametrize(
    "name, serves_as",
    [("shop_workers.Own", "sync"), ("shop_workers.Async", "event-loop"), ("__config__.Mine", "gevent")],
)
def test_a_class_says_what_serves(classes, name, serves_as):
    assert classes(name).serves_as == serves_as


@pytest.mark.parametrize(
    "name, want",
    [
        ("shop_workers.Absent", "there is no class Absent in shop_workers"),
        ("shop_workers.not_a_class", "there is no class not_a_class"),
        ("shop_workers.Stranger", "derive it from SyncWorker, ThreadWorker, EventLoopWorker, GeventWorker"),
        ("gunicorn.workers.base.Worker", "derive it from SyncWorker"),
        ("nowhere.Own", "there is no module nowhere"),
        ("broken_workers.Own", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_class_that_cannot_be_used(classes, app_folder, name, want):
    (app_folder / "broken_workers.py").write_text("1 / 0\n")
    with pytest.raises(AppError, match=want):
        classes(name)


def test_config_kwargs_are_taken_over(classes, caplog):
    chosen = Settings(worker_type=classes("shop_workers.Async"), own_class="shop_workers.Async")
    own_class.take_kwargs(chosen)
    assert (chosen.loop, chosen.lifespan, chosen.factory) == ("asyncio", "off", False)
    assert chosen.gateway_settings == {
        "root_path": "/x",
        "response_headers": ["X-From:kwargs"],
        "websocket_ping_interval": 0,
        "forwarded_allow_ips": [],
    }
    assert "h11_max_incomplete_event_size has no effect" in caplog.text and "http has" not in caplog.text


def worker_of(methods: dict, timeout: float = 30):
    kind = type("Own", (own_class.SyncWorker,), methods)
    chosen = Settings(worker_type=kind, own_class="shop.Own", cfg={"timeout": timeout}, age=3)
    hooks = SimpleNamespace(worker=None, server=None)
    hooks.worker = own_class.make(chosen, hooks)
    return chosen, hooks


def test_a_workers_life():
    said = []
    chosen, hooks = worker_of(
        {"init_process": lambda self: (said.append("init"), own_class.SyncWorker.init_process(self))}
    )
    own_class.work(
        chosen, hooks, lambda: "the app", lambda app: said.append(app), lambda app: said.append("serves " + app)
    )
    assert said == ["init", "the app", "serves the app"] and hooks.worker.booted and hooks.worker.age == 3


@pytest.mark.parametrize(
    "init, want",
    [
        (lambda self: None, r"must call super\(\).init_process\(\)"),
        (lambda self: 1 / 0, "fails in init_process: ZeroDivisionError"),
    ],
)
def test_a_worker_that_never_serves(init, want):
    chosen, hooks = worker_of({"init_process": init})
    with pytest.raises(BootFailure, match=want):
        own_class.work(chosen, hooks, lambda: "the app", lambda app: None, lambda app: None)


def test_a_worker_that_cannot_be_made():
    with pytest.raises(BootFailure, match="shop.Own cannot be made: TypeError"):
        worker_of({"__init__": lambda self: None})


@pytest.mark.parametrize(
    "notify, why",
    [
        (lambda self: own_class.Worker.notify(self), None),
        (lambda self: None, "notify"),
        (lambda self: 1 / 0, "notify"),
        (lambda self: (own_class.Worker.notify(self), setattr(self, "alive", False)), "alive is False"),
    ],
)
def test_a_worker_is_let_go_for_want_of_life(notify, why):
    _, hooks = worker_of({"notify": notify}, timeout=2)
    retired = []
    hooks.worker.life = SimpleNamespace(draining=False, retire=retired.append)
    hooks.worker.notified -= 3
    hooks.worker.beat()
    assert retired == ([why] if why else [])


def inner(frames):
    frames.append(sys._getframe())


def test_where_a_thread_is():
    ready, end = threading.Event(), threading.Event()

    def waits_here():
        ready.set()
        end.wait()

    thread = threading.Thread(target=waits_here)
    thread.start()
    ready.wait()
    places = where.of_thread(thread.ident)
    end.set()
    thread.join()
    mine = where.innermost(places)
    assert mine.name == "waits_here" and mine.filename == __file__ and mine.source() == "end.wait()"
    assert str(mine) == "%s:%d in waits_here" % (where.short(__file__), mine.line)
    assert [p.name for p in where.shown(places)][0] == "waits_here"
    assert not where.waits_for_events(places) and not where.waits_for_events([])


def test_where_a_coroutine_is():
    async def leaf():
        await asyncio.Event().wait()

    async def middle():
        await asyncio.gather(asyncio.ensure_future(leaf()))

    async def main():
        task = asyncio.ensure_future(middle())
        for _ in range(3):
            await asyncio.sleep(0)
        places = where.of_awaitable(task)
        task.cancel()
        return [p.name for p in places]

    assert asyncio.run(main())[:2] == ["middle", "leaf"]
