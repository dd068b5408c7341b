"""Builds wheels and the sdist into a folder: wheels.py FOLDER [GOOS/GOARCH ...]. Without targets it builds all."""

from __future__ import annotations

import sys
from pathlib import Path

import archive
import backend
import binary


def main() -> None:
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for target in sys.argv[2:] or binary.PLATFORMS:
        print(archive.write_wheel(folder, binary.build(target), binary.PLATFORMS[target]))
    print(archive.write_sdist(folder, backend.sources()))


if __name__ == "__main__":
    main()
