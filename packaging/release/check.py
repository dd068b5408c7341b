"""Builds a release twice, the second time from the sdist of the first, and checks each file: check.py FOLDER

Then it installs the packages below a separate root, and starts gonicorn there as a service and as an image does. That
needs Linux, root, and rpm for the rpm. It says what it cannot check here, and fails for that with RELEASE_CHECK=all.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "python"))

import inspect_archives  # noqa: E402
import inspect_packages  # noqa: E402
import module  # noqa: E402
import service  # noqa: E402
from archive import epoch  # noqa: E402
from finding import Findings  # noqa: E402
from metadata import ROOT, commit, version  # noqa: E402


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    first = Path(sys.argv[1]).resolve()
    os.environ.setdefault("SOURCE_DATE_EPOCH", str(epoch()))
    os.environ.setdefault("GIT_CEILING_DIRECTORIES", tempfile.gettempdir())
    findings = Findings(version(), commit())
    build(HERE / "artefacts.py", first)
    with tempfile.TemporaryDirectory() as scratch:
        twice(findings, first, Path(scratch))
    inspect_archives.look(findings, first)
    inspect_packages.look(findings, first)
    module.look(findings)
    service.look(findings, first)
    findings.report()


def build(script: Path, folder: Path) -> None:
    print("building into", folder, flush=True)
    subprocess.run([sys.executable, str(script), str(folder)], check=True, stdout=subprocess.DEVNULL)


def twice(findings: Findings, first: Path, scratch: Path) -> None:
    """Checks that the sdist, unpacked in another folder, gives the same bytes."""
    with tarfile.open(first / ("gonicorn-%s.tar.gz" % version())) as sdist:
        sdist.extractall(scratch)
    tree = scratch / ("gonicorn-" + version())
    if not (tree / "packaging/release/artefacts.py").exists():
        raise SystemExit("the sdist lacks packaging/release: are there files that git does not know?")
    second = scratch / "dist"
    build(tree / "packaging/release/artefacts.py", second)
    findings.equal(
        "files of the second build", sorted(p.name for p in second.iterdir()), sorted(p.name for p in first.iterdir())
    )
    for path in sorted(first.iterdir()):
        other = second / path.name
        if other.exists():
            findings.true("%s: the same bytes twice" % path.name, path.read_bytes() == other.read_bytes())
            findings.true("%s: no path of this machine inside" % path.name, str(ROOT).encode() not in path.read_bytes())
    shutil.rmtree(second)


if __name__ == "__main__":
    main()
