"""Gets the Go module at its version, as a program that uses gonicorn as a library does."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import zipfile
from pathlib import Path

from finding import Findings
from metadata import ROOT

MODULE = "github.com/gonicorn/gonicorn"
GO = os.environ.get("GO") or "go"
PROGRAM = """package main

import (
	"net/http"

	"github.com/gonicorn/gonicorn"
	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/workers"
)

var (
	_ config.Config
	_ *workers.Drain
)

func main() { gonicorn.Main(http.NotFoundHandler()) }
"""


def look(findings: Findings) -> None:
    files = sources()
    if not files:
        findings.skip("go get of the module", "this is no git checkout")
        return
    version = "v" + findings.version
    with tempfile.TemporaryDirectory() as scratch:
        serve(Path(scratch) / "proxy", version, files)
        program = Path(scratch) / "shop"
        program.mkdir()
        (program / "main.go").write_text(PROGRAM)
        env = environment(Path(scratch))
        for args in (["mod", "init", "shop"], ["get", MODULE + "@" + version], ["build", "-o", "shop", "."]):
            done = subprocess.run([GO, *args], cwd=program, env=env, capture_output=True, text=True)
            findings.true("go " + " ".join(args), done.returncode == 0, done.stderr)
        findings.true("go.mod names it", MODULE + " " + version in (program / "go.mod").read_text())
        said = subprocess.run([str(program / "shop"), "--version"], capture_output=True, text=True)
        findings.true("a program with gonicorn in it has its version", findings.version in said.stdout, said)
        subprocess.run([GO, "clean", "-modcache"], cwd=program, env=env, check=True)  # it is read-only


def sources() -> list[str]:
    """Lists the files of the module, without those of other modules below it."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    files = [name for name in listed.stdout.split("\0") if name]
    others = tuple(name[: -len("go.mod")] for name in files if name.endswith("/go.mod"))
    return [name for name in files if not name.startswith(others)]


def serve(proxy: Path, version: str, files: list[str]) -> None:
    """Writes the module in the layout of a module proxy (https://go.dev/ref/mod#goproxy-protocol)."""
    folder = proxy / MODULE / "@v"
    folder.mkdir(parents=True)
    (folder / "list").write_text(version + "\n")
    (folder / (version + ".info")).write_text(json.dumps({"Version": version, "Time": "2026-01-01T00:00:00Z"}))
    (folder / (version + ".mod")).write_bytes((ROOT / "go.mod").read_bytes())
    with zipfile.ZipFile(folder / (version + ".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        for name in files:
            archive.write(ROOT / name, "%s@%s/%s" % (MODULE, version, name))


def environment(scratch: Path) -> dict[str, str]:
    """Returns the environment for a separate module cache: this version is not the one that will be published. Other
    modules come from this machine's cache, or from its proxy."""
    asked = subprocess.run([GO, "env", "-json", "GOMODCACHE", "GOPROXY"], capture_output=True, text=True, check=True)
    usual = json.loads(asked.stdout)
    return {
        **os.environ,
        "GOMODCACHE": str(scratch / "modules"),
        "GOPROXY": "file://%s,file://%s/cache/download,%s"
        % (scratch / "proxy", usual["GOMODCACHE"], usual["GOPROXY"] or "off"),
        "GONOSUMDB": MODULE,
        "GOFLAGS": "-mod=mod -trimpath",
        "GOWORK": "off",
    }
