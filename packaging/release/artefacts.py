"""Builds all files of a release into a folder: artefacts.py FOLDER

They are wheels, the sdist, archives, deb and rpm packages, images, SBOMs, the Homebrew formula and the checksums. Their
bytes depend only on the sources and on SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))

import archive  # noqa: E402
import backend  # noqa: E402
import binary  # noqa: E402
import formula  # noqa: E402
import image  # noqa: E402
import packages  # noqa: E402
import tarball  # noqa: E402
from metadata import ROOT, version  # noqa: E402


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    folder = Path(sys.argv[1]).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ.setdefault("SOURCE_DATE_EPOCH", str(archive.epoch()))  # for the tools that this starts
    with tempfile.TemporaryDirectory() as scratch:
        build(folder, Path(scratch))
    sums = ["%s  %s\n" % (hashlib.sha256(p.read_bytes()).hexdigest(), p.name) for p in sorted(folder.iterdir())]
    (folder / "checksums.txt").write_text("".join(sums))
    for path in sorted(folder.iterdir()):
        print(path)


def build(folder: Path, scratch: Path) -> None:
    binaries = {target: binary.build(target) for target in binary.PLATFORMS}
    shared = shared_files(binaries[binary.host()], scratch)
    archive.write_sdist(folder, backend.sources())
    archives = {}
    for target, text in binaries.items():
        system, machine = target.split("/")
        archive.write_wheel(folder, text, binary.PLATFORMS[target])
        name = "gonicorn_%s_%s_%s" % (version(), system, machine)
        archives[target] = tarball.write(folder / (name + ".tar.gz"), name, {"gonicorn": (0o755, text), **shared})
        program = scratch / name
        program.write_bytes(text)
        program.chmod(0o755)
        describe(program, folder / (name + ".cdx.json"))
        if system == "linux":
            packages.write(folder, program, machine, shared, scratch)
            image.write(folder / (name + "_image.tar"), text, machine)
    formula.write(folder / "gonicorn.rb", archives)


def shared_files(text: bytes, scratch: Path) -> dict[str, tuple[int, bytes]]:
    """Returns the files of archives and packages besides the binary. It prints the man page and completions itself."""
    program = scratch / "gonicorn"
    program.write_bytes(text)
    program.chmod(0o755)

    def says(*words: str) -> bytes:
        return subprocess.run([str(program), *words], check=True, capture_output=True).stdout

    files = {
        name: (ROOT / name).read_bytes() for name in ("README.md", "LICENSE", "CHANGELOG.md", "gunicorn.toml.example")
    }
    files["share/gonicorn.1.gz"] = tarball.compress(says("man"))
    files["share/gonicorn.bash"] = says("completion", "bash")
    files["share/_gonicorn"] = says("completion", "zsh")
    files["share/gonicorn.fish"] = says("completion", "fish")
    files["share/gonicorn.schema.json"] = says("schema")
    files["share/gonicorn@.service"] = (ROOT / "packaging/systemd/gonicorn@.service").read_bytes()
    return {name: (0o644, data) for name, data in files.items()}


def describe(program: Path, document: Path) -> None:
    """Writes the SBOM, the list of what a binary is made of."""
    go = os.environ.get("GO") or "go"
    subprocess.run([go, "run", ".", str(program), str(document)], cwd=ROOT / "tools/sbom", check=True)


if __name__ == "__main__":
    main()
