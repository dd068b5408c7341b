"""Finds the binary that the wheel has installed."""

from __future__ import annotations

import os
import sys
import sysconfig


def find_binary() -> str:
    """Returns the path of the gonicorn binary that belongs to this package.

    Raises FileNotFoundError with the places where it looked.
    """
    looked = []
    for folder in folders():
        path = os.path.join(folder, "gonicorn")
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
        looked.append(path)
    raise FileNotFoundError(
        "the gonicorn binary is not where its package would have it: %s; install it again:"
        " pip install --force-reinstall gonicorn" % ", ".join(looked)
    )


def folders() -> list[str]:
    """Lists folders of scripts, the likeliest first: this Python's, the user's, and that of a --target install."""
    package = os.path.dirname(os.path.abspath(__file__))
    return list(
        dict.fromkeys(
            [
                sysconfig.get_path("scripts"),
                os.path.dirname(sys.executable),
                sysconfig.get_path("scripts", "posix_user"),
                os.path.join(os.path.dirname(package), "bin"),
            ]
        )
    )
