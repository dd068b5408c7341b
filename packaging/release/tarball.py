"""Tar and gzip files. Their bytes depend only on their content."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

from archive import epoch


def pack(files: dict[str, tuple[int, bytes]]) -> bytes:
    """Returns a tar file of these files with their modes, and of the folders above them. A name with / at its end is
    a folder."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as out:
        seen: set[str] = set()
        for name in sorted(files):
            mode, data = files[name]
            parts = name.rstrip("/").split("/")
            for depth in range(1, len(parts)):
                parent = "/".join(parts[:depth])
                if parent not in seen and parent + "/" not in files:
                    out.addfile(entry(parent, 0o755, folder=True))
                seen.add(parent)
            made = entry(name.rstrip("/"), mode, folder=name.endswith("/"))
            made.size = len(data)
            out.addfile(made, io.BytesIO(data))
    return packed.getvalue()


def entry(name: str, mode: int, folder: bool = False) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.mode, made.mtime = mode, epoch()
    made.uname = made.gname = "root"
    if folder:
        made.type = tarfile.DIRTYPE
    return made


def compress(data: bytes) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile("", "wb", 9, out, mtime=0) as compressed:
        compressed.write(data)
    return out.getvalue()


def write(path: Path, top: str, files: dict[str, tuple[int, bytes]]) -> Path:
    """Writes a .tar.gz with all files in one folder."""
    path.write_bytes(compress(pack({top + "/" + name: file for name, file in files.items()})))
    return path
