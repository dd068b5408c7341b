"""Writes wheels and sdists. Their bytes depend only on their content."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import tarfile
import time
import zipfile
from pathlib import Path

from metadata import ROOT, commit, metadata, version

SOURCES = ROOT / "packaging/python/src"


def epoch() -> int:
    """Returns the time of all files: SOURCE_DATE_EPOCH, or the earliest that a zip file can hold."""
    return int(os.environ.get("SOURCE_DATE_EPOCH", 315532800))


def package_files() -> dict[str, bytes]:
    """Returns the files of the Python package."""
    return {
        str(path.relative_to(SOURCES)): path.read_bytes()
        for path in sorted(SOURCES.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def dist_info(tags: list[str]) -> dict[str, bytes]:
    wheel = "Wheel-Version: 1.0\nGenerator: gonicorn\nRoot-Is-Purelib: false\n"
    info = "gonicorn-%s.dist-info" % version()
    return {
        info + "/METADATA": metadata().encode(),
        info + "/WHEEL": (wheel + "".join("Tag: %s\n" % tag for tag in tags)).encode(),
        info + "/licenses/LICENSE": (ROOT / "LICENSE").read_bytes(),
    }


def write_wheel(folder: Path, binary: bytes, platforms: list[str]) -> Path:
    """Writes the wheel for these platform tags (PEP 427), with the binary as a script, and returns its path."""
    tags = ["py3-none-" + platform for platform in platforms]
    files = package_files()
    files["gonicorn-%s.data/scripts/gonicorn" % version()] = binary
    files.update(dist_info(tags))
    info = "gonicorn-%s.dist-info" % version()
    record = ["%s,sha256=%s,%d" % (name, digest(data), len(data)) for name, data in sorted(files.items())]
    files[info + "/RECORD"] = ("\n".join([*record, info + "/RECORD,,"]) + "\n").encode()
    path = folder / ("gonicorn-%s-py3-none-%s.whl" % (version(), ".".join(platforms)))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in sorted(files.items(), key=lambda item: (".dist-info/" in item[0], item[0])):
            entry = zipfile.ZipInfo(name, time.gmtime(max(epoch(), 315532800))[:6])
            entry.external_attr = (0o100755 if "/scripts/" in name else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix: the mode counts
            archive.writestr(entry, data)
    return path


def digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def write_sdist(folder: Path, names: list[str]) -> Path:
    """Writes the sdist of these files of the checkout and returns its path."""
    base = "gonicorn-" + version()
    path = folder / (base + ".tar.gz")
    files = {name: (ROOT / name).read_bytes() for name in names if (ROOT / name).is_file()}
    files["PKG-INFO"] = metadata().encode()
    files["COMMIT"] = (commit() + "\n").encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in sorted(files.items()):
            entry = tarfile.TarInfo(base + "/" + name)
            entry.size, entry.mtime = len(data), epoch()
            entry.mode = 0o755 if os.access(ROOT / name, os.X_OK) else 0o644
            archive.addfile(entry, io.BytesIO(data))
    with open(path, "wb") as out, gzip.GzipFile("", "wb", 9, out, mtime=epoch()) as compressed:
        compressed.write(packed.getvalue())
    return path
