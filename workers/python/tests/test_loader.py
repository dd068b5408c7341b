"""How the app is found, what it is taken for, and what is said when it cannot be loaded."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from runner import loader
from runner.loader import ASGI, WSGI, AppError, BootFailure, interface_of, load

APPS = """
import functools

def wsgi(environ, start_response): pass
def wsgi_named(e, s, extra=None): pass
class WSGIClass:
    def __init__(self, environ, start_response): pass
    def __iter__(self): return iter([])
class WSGIObject:
    def __call__(self, environ, start_response): pass
wsgi_object = WSGIObject()
wsgi_partial = functools.partial(wsgi_named, extra=1)

async def asgi(scope, receive, send): pass
class ASGIObject:
    async def __call__(self, scope, receive, send): pass
asgi_object = ASGIObject()
def asgi_plain(scope, receive, send): pass
class ASGI2:
    def __init__(self, scope): pass
    async def __call__(self, receive, send): pass
def asgi2(scope):
    async def app(receive, send): pass
    return app
@functools.wraps(asgi)
def asgi_wrapped(*args): return asgi(*args)
asgi_partial = functools.partial(asgi)
class Holder: app = wsgi
def factory(): return asgi
def configured(kind="wsgi"): return asgi if kind == "asgi" else wsgi
application = wsgi
"""


@pytest.mark.parametrize(
    "name, want",
    [
        *((n, WSGI) for n in ("wsgi", "wsgi_named", "WSGIClass", "wsgi_object", "wsgi_partial", "Holder.app")),
        *((n, ASGI) for n in ("asgi", "asgi_object", "asgi_plain", "ASGI2", "asgi2", "asgi_wrapped", "asgi_partial")),
        ("configured()", WSGI),
        ("factory()", ASGI),
        ("configured(kind='asgi')", ASGI),
        ("configured('asgi')", ASGI),
        ("", WSGI),
    ],
)
def test_what_an_app_is_taken_for(app_folder, name, want):
    (app_folder / "apps.py").write_text(APPS)
    assert interface_of(load("apps:" + name if name else "apps", False)) == want


def test_factory_is_called(app_folder):
    (app_folder / "apps.py").write_text(APPS)
    assert load("apps:factory", True) is sys.modules["apps"].asgi


FILES = {
    "app.py": "def app(e, s): pass\ndef other(e, s): pass\nvalue = 3\nnothing = None\ndef factory(): return app\n"
    "def needs(config): return app\nasync def two(e, s): pass\nasync def both(scope, receive, send): pass\n",
    "bare.py": "def serve(e, s): pass\n",
    "silent.py": "x = 1\n",
    "shop/__init__.py": "",
    "syntax.py": "def app(:\n  pass\n",
    "nested.py": "import nothere_at_all\n",
    "halved.py": "from app import absent\n",
    "broken_factory.py": "def make(): raise ValueError('no database')\ndef slip(): len(3)\n",
}


@pytest.mark.parametrize(
    "name, want",
    [
        ("appp:app", "there is no module appp in .*did you mean app:app"),
        ("zzz", "there is no module zzz in .*did you mean app:app"),
        ("shop.absent:app", "there is no module shop.absent"),
        ("app:ap", "module app has no ap; its callables are: app"),
        ("app:app.x.y", "module app has no app.x.y"),
        ("app:1+1", "is not an attribute"),
        ("app:def", "is not an attribute"),
        ("app:value", "app:value is not callable: it is of type int"),
        ("app:value()", "value.* cannot be called: it is of type int"),
        ("app:nothing", "app:nothing is None"),
        ("app:factory", r"it is a factory; type app:factory\(\) or add --factory"),
        ("app:needs", "takes one argument, config, so it is not an app"),
        ("app:needs()", "cannot call the factory"),
        ("app:needs(x)", "the arguments of the factory must be literals"),
        ("app:two", "is async and takes two arguments"),
        ("bare", "module bare has neither application nor app; its callables are: serve"),
        ("silent", "it has no callable at all"),
        ("app.py", "is a file; name the module: app:app"),
        ("./app", "is a file"),
        ("1app:app", "is not a module name"),
        (":app", "is not a module name"),
        ("syntax:app", "syntax error in syntax.py:1"),
        ("nested:app", "nested imports nothere_at_all, which is not there; install the package that has it"),
        ("halved:app", "cannot import halved"),
    ],
)
def test_mistakes_say_what_to_do(app_folder, name, want):
    (app_folder / "shop").mkdir()
    for file, text in FILES.items():
        (app_folder / file).write_text(text)
    with pytest.raises(AppError, match=want) as said:
        load(name, False)
    assert not isinstance(said.value, BootFailure)


@pytest.mark.parametrize(
    "name, want", [("make()", "make.* fails: ValueError: no database"), ("slip()", "slip.* fails: TypeError")]
)
def test_a_factory_that_fails_may_do_better_later(app_folder, name, want):
    (app_folder / "broken_factory.py").write_text(FILES["broken_factory.py"])
    with pytest.raises(BootFailure, match=want):
        load("broken_factory:" + name, False)


def test_an_empty_folder_is_told_of(app_folder):
    with pytest.raises(AppError, match="go to the app's folder, or give it with --chdir"):
        load("main:app", False)
    (app_folder / "shop.py").write_text("")
    with pytest.raises(AppError, match="there is no module main in .*; there are: shop"):
        load("main:app", False)


@pytest.mark.parametrize(
    "text, want",
    [
        ("x = 1\napi = 2\n", "x"),
        ("def app(): pass\n", "app"),
        ("application = 1\nx = 2\n", "application"),
        ("", "app"),
        ("(", "app"),
    ],
)
def test_the_app_of_a_module_is_guessed(app_folder, text, want):
    (app_folder / "main.py").write_text(text)
    assert loader.guess("main") == want


def test_the_apps_folder_comes_first(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", ["", "/usr/lib/other", str(tmp_path / "b")])
    monkeypatch.chdir(tmp_path)
    for folder in "ab":
        (tmp_path / folder).mkdir()
    loader.prepare_path("", ["a", "b"])
    assert sys.path == [str(tmp_path), str(tmp_path / "a"), str(tmp_path / "b"), "/usr/lib/other"]


@pytest.mark.parametrize(
    "patcher, own, want",
    [
        ("gevent.monkey", "", "patches Python with gevent.*take -k gevent"),
        ("gevent.monkey", "gevent", None),
        ("eventlet.patcher", "", "patches Python with eventlet.*-k gthread --threads 40"),
        ("eventlet.patcher", "gevent", "patches Python with eventlet"),
    ],
)
def test_patched_python_is_refused_where_it_would_hang(monkeypatch, patcher, own, want):
    for name in ("gevent.monkey", "eventlet.patcher"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    patched = SimpleNamespace(is_module_patched=lambda name: name == "select", is_monkey_patched=lambda name: True)
    monkeypatch.setitem(sys.modules, patcher, patched)
    if want is None:
        return loader.refuse_patched("main:app", own, "sync")
    with pytest.raises(AppError, match=want):
        loader.refuse_patched("main:app", own, "sync")


def test_an_app_of_asgi_2_is_called_in_two_steps(app_folder):
    (app_folder / "apps.py").write_text(APPS)
    apps = [load("apps:" + name, False) for name in ("ASGI2", "asgi2")]
    assert all(loader.required(loader.single(app)) == 3 for app in apps)
    asgi = load("apps:asgi", False)
    assert loader.single(asgi) is asgi


def test_paste_without_its_file_or_package(app_folder, monkeypatch):
    with pytest.raises(AppError, match="paste: there is no file .*shop.ini"):
        loader.load_paste("shop.ini#main", [])
    (app_folder / "shop.ini").write_text("")
    monkeypatch.setitem(sys.modules, "paste", None)
    with pytest.raises(AppError, match="-m pip install PasteDeploy"):
        loader.load_paste("shop.ini", ["a=b"])
