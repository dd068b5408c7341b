"""Gives back memory that a worker needed only briefly."""

from __future__ import annotations

LARGE = 1 << 20  # bytes of a message after which memory is given back


def trim() -> None:
    """Gives memory that malloc keeps free back to the system, if the C library can."""
    try:
        import ctypes

        ctypes.CDLL(None).malloc_trim(0)
    except (ImportError, OSError, AttributeError):
        pass  # not glibc
