"""python -m gonicorn: the gonicorn command with this Python."""

from __future__ import annotations

import sys

from ._run import execute

if __name__ == "__main__":
    execute(sys.argv[1:])
