"""Builds the gonicorn binary for a platform with Go."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from metadata import ROOT, commit

# The platform tags of the wheel for each GOOS/GOARCH. The binary is static, so one for Linux runs with every libc.
PLATFORMS = {
    "linux/amd64": ["manylinux_2_17_x86_64", "manylinux2014_x86_64", "musllinux_1_1_x86_64"],
    "linux/arm64": ["manylinux_2_17_aarch64", "manylinux2014_aarch64", "musllinux_1_1_aarch64"],
    "darwin/amd64": ["macosx_12_0_x86_64"],
    "darwin/arm64": ["macosx_12_0_arm64"],
}

MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def host() -> str:
    """Returns GOOS/GOARCH of this machine."""
    system, machine = sys.platform, platform.machine().lower()
    target = "%s/%s" % (system, MACHINES.get(machine, machine))
    if target not in PLATFORMS:
        raise SystemExit(
            "gonicorn runs on Linux and macOS, on x86-64 and arm64; on Windows, use it in WSL. This is " + target
        )
    return target


def build(target: str) -> bytes:
    """Builds the binary for a target. The same sources give the same bytes."""
    go = os.environ.get("GO") or shutil.which("go")
    if not go:
        raise SystemExit("gonicorn's sources need Go to be built: install it from go.dev/dl, or install a wheel")
    system, machine = target.split("/")
    flags = "-s -w -buildid= -X github.com/gonicorn/gonicorn/internal/version.commit=" + commit()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gonicorn"
        subprocess.run(
            [go, "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", str(path), "./cmd/gonicorn"],
            cwd=ROOT,
            env={**os.environ, "CGO_ENABLED": "0", "GOOS": system, "GOARCH": machine},
            check=True,
        )
        return path.read_bytes()
