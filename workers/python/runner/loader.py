"""Loads the app that was named, and says what is wrong if it cannot."""

from __future__ import annotations

import ast
import difflib
import functools
import importlib
import inspect
import os
import pkgutil
import sys
import traceback

WSGI, ASGI = "wsgi", "asgi"
PASTE = "paste:"  # prefix of an app that a PasteDeploy file describes
NAMES = ("application", "app")  # the names that are tried if none is given


class AppError(Exception):
    """The app cannot be loaded. Trying again would not help."""


class BootFailure(AppError):
    """The app failed while it started. Another try may succeed."""


def prepare_path(chdir: str, pythonpath: list[str]) -> None:
    """Puts the app's folder first on sys.path, as `python app.py` does, and the others after it."""
    folder = os.path.abspath(chdir or ".")
    os.chdir(folder)
    if sys.path and sys.path[0] == "":
        del sys.path[0]
    for path in [*reversed([os.path.abspath(p) for p in pythonpath]), folder]:
        if path in sys.path:
            sys.path.remove(path)
        sys.path.insert(0, path)


def load(name: str, factory: bool):
    """Loads the callable that module:attribute, module:factory(...) or module names."""
    module_name, _, expression = name.partition(":")
    if module_name.endswith(".py") or "/" in module_name:
        hint = module_name.removesuffix(".py") if hasattr(str, "removesuffix") else module_name
        raise AppError(
            "%r is a file; name the module: %s:app" % (module_name, os.path.basename(hint).replace(".py", ""))
        )
    module = import_module(module_name)
    app = attribute(module, expression)
    if factory:
        app = call(app, (), {}, expression)
    return checked(app, module_name, expression)


def load_paste(name: str, variables: list[str]):
    """Loads the app of a PasteDeploy file, FILE or FILE#NAME."""
    file = os.path.abspath(name.partition("#")[0])
    if not os.path.isfile(file):
        raise AppError("paste: there is no file %s" % file)
    try:
        from paste.deploy import loadapp
    except ImportError as e:
        why = "paste needs PasteDeploy, which is not there; install it for this Python: %s -m pip install PasteDeploy"
        raise AppError(why % sys.executable) from e
    settings = dict(v.partition("=")[::2] for v in variables)
    try:
        return loadapp("config:" + os.path.abspath(name), relative_to=os.getcwd(), global_conf=settings)
    except Exception as e:
        raise BootFailure("paste: %s cannot be loaded: %s: %s" % (name, type(e).__name__, e)) from e


def refuse_patched(name: str, own: str, worker_class: str) -> None:
    """Refuses an app that has patched what the runner's threads and event loop need: it would never answer.

    own is the library with which the worker class itself has patched Python.
    """
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    by = instead = ""
    if (
        own != "gevent"
        and gevent is not None
        and any(gevent.is_module_patched(name) for name in ("select", "threading"))
    ):
        by, instead = "gevent", "take -k gevent"
    elif eventlet is not None and any(eventlet.is_monkey_patched(name) for name in ("select", "thread")):
        by, instead = "eventlet", "leave the patching out and take -k gevent, or -k gthread --threads 40"
    if by:
        of = "worker_class %s" % worker_class if worker_class else "gonicorn"
        raise AppError("%s patches Python with %s, which %s cannot serve: %s" % (name, by, of, instead))


def import_module(name: str):
    if not name or not all(part.isidentifier() for part in name.split(".")):
        raise AppError("%r is not a module name; write module:attribute, such as main:app" % name)
    try:
        return importlib.import_module(name)
    except SyntaxError as e:
        where = "%s:%s" % (os.path.relpath(e.filename) if e.filename else name, e.lineno)
        raise AppError("syntax error in %s: %s" % (where, e.msg)) from e
    except ModuleNotFoundError as e:
        missing = e.name or ""
        if name == missing or name.startswith(missing + "."):
            raise AppError(no_module(name)) from None
        raise AppError(
            "%s imports %s, which is not there; install the package that has it (which may have another name) for this"
            " Python: %s -m pip" % (name, missing, sys.executable)
        ) from e
    except ImportError as e:
        raise AppError("cannot import %s: %s (Python: %s)" % (name, e, sys.executable)) from e
    except SystemExit as e:
        raise AppError("%s ends the process while it is imported: exit(%s)" % (name, e.code)) from e
    except Exception as e:
        raise BootFailure("%s fails while it is imported: %s: %s" % (name, type(e).__name__, e)) from e


def own_files(error: BaseException | None = None) -> list[str]:
    """Lists the app's source files: everything imported except the standard library and installed packages.

    A module that failed to import is not in sys.modules, so the files of the traceback are added.
    """
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    while error is not None:
        files += [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
        if isinstance(error, SyntaxError):
            files.append(error.filename)
        error = error.__cause__ or error.__context__
    theirs = os.path.dirname(os.path.realpath(os.__file__)) + os.sep
    found = set()
    for path in files:
        if not isinstance(path, str) or not path.endswith((".py", ".so")):
            continue
        path = os.path.realpath(path)
        if not path.startswith(theirs) and not {"site-packages", "dist-packages"}.intersection(path.split(os.sep)):
            found.add(path)
    return sorted(found)


def no_module(name: str) -> str:
    folder = os.getcwd()
    text = "there is no module %s in %s" % (name, folder)
    here = [m.name for m in pkgutil.iter_modules([folder])]
    near = difflib.get_close_matches(name, here, 3, 0.5) or [m for m in ("main", "app", "wsgi", "asgi") if m in here]
    if near:
        text += "; did you mean %s?" % " or ".join("%s:%s" % (m, guess(m)) for m in near)
    elif here:
        text += "; there are: %s" % ", ".join(sorted(here)[:10])
    else:
        text += "; go to the app's folder, or give it with --chdir"
    return text


def guess(module: str) -> str:
    """Guesses the app's name in a module, without importing it."""
    try:
        with open(module + ".py", encoding="utf-8") as f:
            tree = ast.parse(f.read())
    except (OSError, SyntaxError, ValueError):
        return "app"
    names = [t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)]
    names += [n.name for n in tree.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    for name in ("app", "application", *names):
        if name in names:
            return name
    return "app"


def attribute(module, expression: str):
    """Evaluates an expression of dotted attributes, which may end with a call with literal arguments."""
    if not expression:
        for name in NAMES:
            if hasattr(module, name):
                return getattr(module, name)
        raise AppError("module %s has neither %s; %s" % (module.__name__, " nor ".join(NAMES), candidates(module)))
    try:
        node = ast.parse(expression, mode="eval").body
    except SyntaxError:
        raise AppError("%r is not an attribute; write module:attribute or module:factory()" % expression) from None
    if not isinstance(node, ast.Call):
        return lookup(module, node, expression)
    try:
        args = [ast.literal_eval(a) for a in node.args]
        kwargs = {k.arg: ast.literal_eval(k.value) for k in node.keywords if k.arg}
    except ValueError:
        raise AppError("%r: the arguments of the factory must be literals" % expression) from None
    return call(lookup(module, node.func, expression), args, kwargs, expression)


def lookup(module, node, expression: str):
    path = []
    while isinstance(node, ast.Attribute):
        path.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise AppError("%r is not an attribute; write module:attribute or module:factory()" % expression)
    path.append(node.id)
    found = module
    for name in reversed(path):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise AppError("module %s has no %s; %s" % (module.__name__, expression, candidates(module))) from None
    return found


def candidates(module) -> str:
    """Lists the callables that a module itself defines. Those that look like apps come first."""
    names = [
        n
        for n, v in vars(module).items()
        if not n.startswith("_")
        and callable(v)
        and not inspect.isclass(v)
        and getattr(v, "__module__", module.__name__) in (module.__name__, type(v).__module__)
    ]
    if not names:
        return "it has no callable at all"
    names.sort(key=lambda n: (n not in NAMES, inspect.isfunction(getattr(module, n)), n))
    return "its callables are: %s" % ", ".join(names[:10])


def call(factory, args, kwargs, expression: str):
    if not callable(factory):
        raise AppError("%s cannot be called: it is of type %s" % (expression, type(factory).__name__))
    try:
        return factory(*args, **kwargs)
    except TypeError as e:
        if e.__traceback__ is not None and e.__traceback__.tb_next is None:
            raise AppError("cannot call the factory %s: %s" % (expression, e)) from None
        raise BootFailure("the factory %s fails: TypeError: %s" % (expression, e)) from e
    except Exception as e:
        raise BootFailure("the factory %s fails: %s: %s" % (expression, type(e).__name__, e)) from e


def checked(app, module: str, expression: str):
    name = "%s:%s" % (module, expression or "app")
    if app is None:
        raise AppError("%s is None" % name)
    if not callable(app):
        raise AppError("%s is not callable: it is of type %s" % (name, type(app).__name__))
    function = app.func if isinstance(app, functools.partial) else app
    if inspect.iscoroutinefunction(function) and required(app) == 2:
        raise AppError(
            "%s is async and takes two arguments: WSGI's environ and start_response want a plain def, and ASGI three"
            " arguments: scope, receive, send" % name
        )
    if inspect.isroutine(function) and required(app) == 1 and not inspect.iscoroutinefunction(function):
        parameter = next(iter(inspect.signature(app).parameters))
        if parameter != "scope":  # an app of ASGI 2 has it
            raise AppError(
                "%s takes one argument, %s, so it is not an app but may be a factory: type %s(...) with that argument"
                % (name, parameter, name)
            )
    if required(app) == 0:
        raise AppError("%s takes no arguments: it is a factory; type %s() or add --factory" % (name, name))
    return app


def required(app) -> int:
    """Returns how many arguments an app must be called with, or -1 if Python does not know."""
    try:
        parameters = inspect.signature(app).parameters.values()
    except (TypeError, ValueError):
        return -1
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return -1
    return len(
        [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty]
    )


def interface_of(app) -> str:
    """Tells ASGI from WSGI by the callable."""
    unwrapped = app
    while isinstance(unwrapped, functools.partial):
        unwrapped = unwrapped.func
    for f in (unwrapped, getattr(unwrapped, "__call__", None), inspect.unwrap(unwrapped)):
        if inspect.iscoroutinefunction(f):
            return ASGI
    if inspect.isclass(unwrapped):
        return ASGI if hasattr(unwrapped, "__await__") or required(app) == 1 else WSGI
    return {1: ASGI, 3: ASGI}.get(required(app), WSGI)


def single(app):
    """Makes an ASGI 3 app of an ASGI 2 app, which takes the scope first and returns the rest of the app."""
    unwrapped = app.func if isinstance(app, functools.partial) else app
    if required(app) != 1 and not (inspect.isclass(unwrapped) and not hasattr(unwrapped, "__await__")):
        return app
    if inspect.isclass(unwrapped) and hasattr(unwrapped, "__await__"):
        return app

    async def asgi3(scope, receive, send):
        await app(scope)(receive, send)

    return asgi3
