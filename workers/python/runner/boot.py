"""Makes the runner's modules importable from memory and starts it.

The one line that `python3 -c` gets (see runner.go) executes this with `sources`
in its globals. Nothing is put on sys.path and nothing is written to disk.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys

PACKAGE = "_gonicorn"
PUBLIC = "gonicorn"  # what apps may import


class Finder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports the package from a dict of sources."""

    def __init__(self, sources):
        self.sources = sources

    def find_spec(self, fullname, path=None, target=None):
        if fullname == PUBLIC:
            return installed() or importlib.util.spec_from_loader(
                fullname, self, origin="<gonicorn logs>", is_package=True
            )
        package, _, name = fullname.partition(".")
        if package != PACKAGE or (name and name not in self.sources):
            return None
        return importlib.util.spec_from_loader(
            fullname, self, origin="<gonicorn %s>" % (name or "__init__"), is_package=not name
        )

    def is_package(self, fullname):
        return fullname in (PACKAGE, PUBLIC)

    def get_source(self, fullname):
        if fullname == PUBLIC:
            return "from _gonicorn.logs import RequestID, request_id\n"
        return self.sources.get(fullname.partition(".")[2], "")

    def get_code(self, fullname):
        name = fullname.partition(".")[2] or "__init__"
        return compile(self.get_source(fullname), "<gonicorn %s>" % name, "exec", dont_inherit=True)


def installed():
    """Finds the package that gonicorn's wheel installs. It offers the same and more. None if it is not installed."""
    spec = importlib.machinery.PathFinder.find_spec(PUBLIC)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        if os.path.exists(os.path.join(folder, "_settings.py")):
            return spec
    return None


sys.meta_path.insert(0, Finder(sources))  # noqa: F821

from _gonicorn.main import main  # noqa: E402

main()
