"""Memory that a worker needed for a moment."""

from __future__ import annotations

LARGE = 1 << 20  # bytes of a message after which memory is given back


def trim() -> None:
    """Gives what malloc keeps free back to the system; where it cannot, nothing is lost."""
    try:
        import ctypes

        ctypes.CDLL(None).malloc_trim(0)
    except (ImportError, OSError, AttributeError):
        pass  # not glibc
