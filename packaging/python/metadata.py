"""The core metadata of wheels and sdists, made from pyproject.toml and the Go sources.

It reads only the few forms that pyproject.toml uses, because Python 3.9 has no tomllib.
"""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def version() -> str:
    """Returns the release that internal/version/version.go names."""
    text = (ROOT / "internal/version/version.go").read_text()
    found = re.search(r'^const Release = "([^"]+)"$', text, re.M)
    if found is None:
        raise SystemExit("internal/version/version.go names no release")
    return found.group(1)


def commit() -> str:
    """Returns the commit of the sources: git's, or the one that an sdist names. Empty if there is neither."""
    named = ROOT / "COMMIT"
    if named.is_file():
        return named.read_text().strip()
    if not (ROOT / ".git").exists():
        return ""
    asked = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return asked.stdout.strip() if asked.returncode == 0 else ""


def project() -> dict[str, object]:
    """Returns the tables project and project.urls of pyproject.toml. Values are strings and lists of strings."""
    values: dict[str, object] = {}
    table, pending = "", ""
    for line in (ROOT / "pyproject.toml").read_text().splitlines():
        if pending:
            pending += line
        elif line.startswith("["):
            table = line.strip("[]")
            continue
        elif table.startswith("project") and "=" in line:
            pending = line
        if pending and pending.count("[") == pending.count("]"):
            key, value = pending.split("=", 1)
            if "{" not in value:
                values[("url." if table == "project.urls" else "") + key.strip()] = ast.literal_eval(value.strip())
            pending = ""
    return values


def metadata() -> str:
    """Returns the text of METADATA and PKG-INFO (core metadata 2.4)."""
    p = project()
    lines = [
        "Metadata-Version: 2.4",
        "Name: gonicorn",
        "Version: " + version(),
        "Summary: %s" % p["description"],
        "Author: The gonicorn authors",
        "License-Expression: %s" % p["license"],
        "License-File: LICENSE",
        "Requires-Python: %s" % p["requires-python"],
        "Keywords: " + ",".join(p["keywords"]),  # type: ignore[arg-type]
        "Description-Content-Type: text/markdown",
    ]
    lines += ["Classifier: " + c for c in p["classifiers"]]  # type: ignore[attr-defined]
    lines += ["Project-URL: %s, %s" % (k[4:], v) for k, v in p.items() if k.startswith("url.")]
    return "\n".join(lines) + "\n\n" + description()


REPOSITORY = "https://github.com/gonicorn/gonicorn"
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)\s]+)\)")


def description() -> str:
    """Returns README.md with links to the repository: a package index has no other files to link to."""

    def absolute(m: re.Match[str]) -> str:
        kind = "raw" if m.group(1) else "blob"
        return "%s[%s](%s/%s/v%s/%s)" % (m.group(1), m.group(2), REPOSITORY, kind, version(), m.group(3))

    return LINK.sub(absolute, (ROOT / "README.md").read_text())
