"""A file as a WSGI app answers with it (PEP 3333, wsgi.file_wrapper)."""

from __future__ import annotations

import os
from io import FileIO


class FileWrapper:
    """wsgi.file_wrapper: a real file goes to the client by sendfile(2)."""

    def __init__(self, filelike, block_size: int = 8192):
        self.filelike = filelike
        self.block_size = block_size
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self):
        return iter(lambda: self.filelike.read(self.block_size), b"")

    def region(self) -> tuple[int, int, int] | None:
        """Returns descriptor, offset and length, or None if read() does not return the bytes of a regular file.

        Objects such as gzip's have a fileno() too, but it is that of the compressed file.
        """
        try:
            read = self.filelike.read
            file = getattr(read, "__wrapped__", read).__self__  # unwraps tempfile's wrapper and Django's File
            if type(file) is not FileIO and type(getattr(file, "raw", None)) is not FileIO:
                return None
            file.flush()
            fd = file.fileno()
            offset = file.tell()
            size = os.fstat(fd)
        except (AttributeError, OSError, ValueError):
            return None
        if size.st_mode & 0o170000 != 0o100000:
            return None
        return fd, offset, max(size.st_size - offset, 0)
