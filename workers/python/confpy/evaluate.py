"""Evaluates a gunicorn.conf.py, or looks at a worker class, and prints the result as one line of JSON.

There are two ways to call it:

    evaluate.py FILE|python:MODULE '["bind", "workers", ...]'   the values of these names
    evaluate.py class:MODULE.CLASS '["folder", ...]'            what the class derives from; folders go before sys.path
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import sys
import traceback

SIMPLE = (str, int, float, bool)
BASES = ("gonicorn", "gunicorn", "uvicorn", "uvicorn_worker")  # importable in workers, installed or not


def main(path: str, names: list[str]) -> dict:
    if path.startswith("class:"):
        sys.path[:0] = [os.path.abspath(folder or ".") for folder in names]
        return {"class": worker_class(path[len("class:") :])}
    sys.path.insert(0, os.getcwd())
    if path.startswith("python:"):
        name = path[len("python:") :]
        module = importlib.import_module(name)
        path, source, values = getattr(module, "__file__", name), "", vars(module)
    else:
        values = {"__file__": path, "__name__": "__config__", "__doc__": None, "__builtins__": __builtins__}
        with open(path, encoding="utf-8") as f:
            source = f.read()
        exec(compile(source, path, "exec"), values)
    lines = positions(path)
    return {
        "file": path,
        "source": source,
        "values": {n: describe(values[n], lines.get(n, 0)) for n in names if n in values},
        "unread": unread(source, values, names, lines),
    }


def unread(source: str, values: dict, names: list[str], lines: dict[str, int]) -> dict[str, int]:
    """The lines of names that may be misspelt settings: the file sets such a name, and nothing in it reads it."""
    if not source:
        return {}
    tree = ast.parse(source)
    read = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Store)}
    stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    defined = {n.name for n in tree.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))}
    candidates = (stored | defined) - read - set(names)
    return {n: lines[n] for n in candidates if n in lines and n in values and not n.startswith("_") and n.islower()}


def positions(path: str) -> dict[str, int]:
    """The line where each module-level name is bound, also inside if, for, while, with and try."""
    try:
        with open(path, encoding="utf-8") as f:
            tree = ast.parse(f.read())
    except (OSError, SyntaxError, ValueError):
        return {}
    found: dict[str, int] = {}
    rest: list[ast.AST] = list(tree.body)
    while rest:
        node = rest.pop(0)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found[node.name] = node.lineno
            continue
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
                found[child.id] = child.lineno
            elif isinstance(child, ast.alias):
                found[child.asname or child.name] = node.lineno
            else:
                rest.append(child)
    return found


def describe(value, line: int) -> dict:
    """The value, if TOML could express it, or else what kind of object it is."""
    try:
        return {"line": line, "value": plain(value)}
    except TypeError:
        kind = "function" if callable(value) and not isinstance(value, type) else type(value).__name__
        if isinstance(value, type):
            name = "%s.%s" % (value.__module__, value.__qualname__)
            return {"line": line, "kind": "class", "name": name, "class": of_class(value)}
        if kind == "function":
            return {"line": line, "kind": kind, **arity(value)}
        return {"line": line, "kind": kind}


def arity(function) -> dict:
    """The fewest and the most positional arguments that a function takes; nothing if Python cannot tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    most = 100 if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(places)
    least = len([p for p in places if p.default is p.empty])
    keywords = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    return {"arity": [least, -1 if keywords else most]}


def worker_class(name: str) -> dict | None:
    """The bases, the CONFIG_KWARGS and the methods of a worker class.

    Its file is parsed and, if possible, not imported: it may import packages that are no longer installed. None means
    that the file has to be imported, and that one of BASES is missing for that.
    """
    module, _, cls = name.replace(":", ".").rpartition(".")
    found = in_source(module, cls)
    if found is not None:
        return found
    try:
        return of_class(getattr(importlib.import_module(module), cls))
    except ModuleNotFoundError as e:
        if (e.name or "").partition(".")[0] not in BASES:
            raise
        return None


def of_class(cls: type) -> dict:
    """The same for an imported class."""
    bases = ["%s.%s" % (c.__module__, c.__qualname__) for c in cls.__mro__[1:]]
    bases = [b.replace("uvicorn_worker._workers.", "uvicorn_worker.") for b in bases]
    own = [c for c in cls.__mro__ if c.__module__.partition(".")[0] not in ("builtins", *BASES)]
    methods = sorted({n for c in own for n, v in vars(c).items() if inspect.isfunction(v)})
    try:
        kwargs = plain(getattr(cls, "CONFIG_KWARGS", {}))
    except TypeError:
        kwargs = {}
    return {"bases": bases, "kwargs": kwargs, "methods": methods}


def in_source(module: str, cls: str) -> dict | None:
    """The same from the source of the class; None if the source does not say everything."""
    for folder in sys.path:
        path = os.path.join(folder, *module.split("."))
        for file in (path + ".py", os.path.join(path, "__init__.py")):
            if os.path.isfile(file):
                with open(file, encoding="utf-8") as f:
                    return of_tree(ast.parse(f.read()), cls)
    return None


def of_tree(tree: ast.Module, cls: str) -> dict | None:
    names, classes = {}, {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.update({a.asname or a.name: "%s.%s" % (node.module, a.name) for a in node.names})
        elif isinstance(node, ast.Import):
            names.update({a.asname or a.name: a.name for a in node.names})
        elif isinstance(node, ast.ClassDef):
            classes[node.name] = node
    found: dict = {"bases": [], "kwargs": {}, "methods": []}
    while cls in classes:
        node = classes.pop(cls)
        if len(node.bases) != 1:
            return None
        for part in node.body:
            if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found["methods"].append(part.name)
            elif isinstance(part, (ast.Assign, ast.AnnAssign)):
                target = part.targets[0] if isinstance(part, ast.Assign) else part.target
                if isinstance(target, ast.Name) and target.id == "CONFIG_KWARGS" and not found["kwargs"]:
                    try:
                        found["kwargs"] = plain(ast.literal_eval(part.value))
                    except (TypeError, ValueError):
                        return None
        cls = ast.unparse(node.bases[0])
        head, _, rest = cls.partition(".")
        found["bases"].append(names.get(cls) or (names[head] + "." + rest if head in names and rest else cls))
    return found if found["bases"] else None


def plain(value):
    if value is None or isinstance(value, SIMPLE):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    raise TypeError


def failure(e: BaseException, path: str) -> dict:
    """The error, and its line in the file."""
    if isinstance(e, SyntaxError) and e.filename == path:
        return {"error": "syntax error: %s" % e.msg, "line": e.lineno or 0}
    line = 0
    for frame in traceback.extract_tb(e.__traceback__):
        if frame.filename == path:
            line = frame.lineno or 0
    if isinstance(e, SystemExit) and isinstance(e.code, str):
        return {"error": e.code, "line": line}
    if isinstance(e, ModuleNotFoundError) and (e.name or "").partition(".")[0] == "gunicorn":
        why = "it imports gunicorn, which is not installed for this Python: install it, or take the import out"
        return {"error": why, "line": line}
    return {"error": "%s: %s" % (type(e).__name__, e), "line": line}


if __name__ == "__main__":
    out = os.dup(1)
    os.dup2(2, 1)  # what the file prints must not get into the answer
    try:
        answer = main(sys.argv[1], json.loads(sys.argv[2]))
    except BaseException as e:
        answer = failure(e, sys.argv[1])
    sys.stdout.flush()
    os.write(out, json.dumps(answer).encode())
    os._exit(0)
