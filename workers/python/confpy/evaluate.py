"""Evaluates a gunicorn.conf.py and prints, as one line of JSON, the names that were asked for.

Its arguments are the file, or python:module, and a JSON list of names.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import sys
import traceback

SIMPLE = (str, int, float, bool)


def main(path: str, names: list[str]) -> dict:
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
    }


def positions(path: str) -> dict[str, int]:
    """The line of each name that is bound at the top of a file, or in its ifs, loops and tries."""
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
    """A value in the form that a TOML file could have it, else what it is."""
    try:
        return {"line": line, "value": plain(value)}
    except TypeError:
        kind = "function" if callable(value) and not isinstance(value, type) else type(value).__name__
        if isinstance(value, type):
            return {"line": line, "kind": "class", "name": "%s.%s" % (value.__module__, value.__qualname__)}
        return {"line": line, "kind": kind}


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
    """What went wrong, and where in the file."""
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
    os.dup2(2, 1)  # what the file prints is none of the answer
    try:
        answer = main(sys.argv[1], json.loads(sys.argv[2]))
    except BaseException as e:
        answer = failure(e, sys.argv[1])
    sys.stdout.flush()
    os.write(out, json.dumps(answer).encode())
    os._exit(0)
