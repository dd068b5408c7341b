"""Writes the deb and the rpm with nfpm."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
from pathlib import Path

from archive import epoch
from metadata import project, version

NFPM = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.4"

# Where packages install the files that archives have in share/.
PLACES = {
    "share/gonicorn.1.gz": "/usr/share/man/man1/gonicorn.1.gz",
    "share/gonicorn.bash": "/usr/share/bash-completion/completions/gonicorn",
    "share/_gonicorn": "/usr/share/zsh/vendor-completions/_gonicorn",
    "share/gonicorn.fish": "/usr/share/fish/vendor_completions.d/gonicorn.fish",
    "share/gonicorn.schema.json": "/usr/share/gonicorn/gonicorn.schema.json",
    "share/gonicorn@.service": "/usr/lib/systemd/system/gonicorn@.service",
    "gunicorn.toml.example": "/usr/share/doc/gonicorn/gunicorn.toml.example",
    "CHANGELOG.md": "/usr/share/doc/gonicorn/CHANGELOG.md",
    "LICENSE": "/usr/share/doc/gonicorn/copyright",
}


def nfpm() -> str:
    """Returns the path of nfpm. If it is not installed, builds it with the Go that builds gonicorn."""
    found = os.environ.get("NFPM") or shutil.which("nfpm")
    if found:
        return found
    go = os.environ.get("GO") or "go"
    cache = subprocess.run([go, "env", "GOCACHE"], check=True, capture_output=True, text=True).stdout.strip()
    folder = Path(cache).parent / "gonicorn-tools" / NFPM.rpartition("@")[2]
    program = folder / "nfpm"
    if not program.exists():
        subprocess.run([go, "install", NFPM], check=True, env={**os.environ, "GOBIN": str(folder)})
    return str(program)


def write(folder: Path, program: Path, machine: str, files: dict[str, tuple[int, bytes]], scratch: Path) -> None:
    contents = [file(program, "/usr/bin/gonicorn", 0o755)]
    for name, place in PLACES.items():
        source = scratch / "package" / name
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_bytes(files[name][1])
        contents.append(file(source, place, files[name][0]))
    contents.append({"dst": "/etc/gonicorn", "type": "dir", "file_info": {"mode": 0o755, "mtime": stamp()}})
    p = project()
    config = {
        "name": "gonicorn",
        "arch": machine,
        "platform": "linux",
        "version": version(),
        "version_schema": "semver",
        "release": "1",
        "maintainer": "The gonicorn authors <maintainers@gonicorn.example>",
        "vendor": "gonicorn",
        "homepage": "https://github.com/gonicorn/gonicorn",
        "description": p["description"],
        "license": p["license"],
        "section": "httpd",
        "mtime": stamp(),
        "contents": contents,
        "rpm": {"buildhost": "gonicorn"},
    }
    path = scratch / "nfpm.yaml"
    path.write_text(json.dumps(config))  # which is YAML too
    for kind in ("deb", "rpm"):
        subprocess.run(
            [nfpm(), "package", "-f", str(path), "-p", kind, "-t", str(folder)], check=True, stdout=subprocess.DEVNULL
        )


def file(source: Path, place: str, mode: int) -> dict[str, object]:
    info = {"mode": mode, "mtime": stamp(), "owner": "root", "group": "root"}
    return {"src": str(source), "dst": place, "file_info": info}


def stamp() -> str:
    return datetime.datetime.fromtimestamp(epoch(), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
