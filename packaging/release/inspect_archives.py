"""Checks wheels, the sdist, archives, images, SBOMs, the formula and the checksums."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path

import binary
import image
from finding import Findings

# The first bytes of programs: ELF with its machine at 18, Mach-O with its machine at 4.
MACHINES = {
    "linux/amd64": (b"\x7fELF", 18, b"\x3e\x00"),
    "linux/arm64": (b"\x7fELF", 18, b"\xb7\x00"),
    "darwin/amd64": (b"\xcf\xfa\xed\xfe", 4, b"\x07\x00\x00\x01"),
    "darwin/arm64": (b"\xcf\xfa\xed\xfe", 4, b"\x0c\x00\x00\x01"),
}
EMULATORS = {"linux/amd64": "qemu-x86_64-static", "linux/arm64": "qemu-aarch64-static"}

# Loads a formula as brew does, as far as ours needs, and prints what it has set.
LOADED = """
SAID = Hash.new { |h, k| h[k] = {} }
WITHIN = []
Into = Struct.new(:folder) do
  def install(what)
    what = { what => File.basename(what) } unless what.is_a?(Hash)
    what.each { |from, to| SAID["install"][from] = "#{folder}/#{to}" }
  end
end
class Formula
  %w[desc homepage version license url sha256].each do |n|
    define_singleton_method(n) { |v| SAID[n][WITHIN.join("/")] = v }
  end
  %w[on_macos on_linux on_arm on_intel].each do |n|
    define_singleton_method(n) do |&block|
      WITHIN.push(n)
      block.call
      WITHIN.pop
    end
  end
  define_singleton_method(:test) { |&block| SAID["test"] = !block.nil? }
  %w[bin man1 bash_completion zsh_completion fish_completion].each { |n| define_method(n) { Into.new(n) } }
end
load ARGV[0]
Gonicorn.new.install
puts JSON.generate(SAID)
"""
INSTALLED = {
    "gonicorn": "bin/gonicorn",
    "share/gonicorn.1.gz": "man1/gonicorn.1.gz",
    "share/gonicorn.bash": "bash_completion/gonicorn",
    "share/_gonicorn": "zsh_completion/_gonicorn",
    "share/gonicorn.fish": "fish_completion/gonicorn.fish",
}


def look(findings: Findings, folder: Path) -> None:
    checksums(findings, folder)
    sdist(findings, folder / ("gonicorn-%s.tar.gz" % findings.version))
    for target, platforms in binary.PLATFORMS.items():
        name = "gonicorn_%s_%s" % (findings.version, target.replace("/", "_"))
        text = tarball(findings, folder / (name + ".tar.gz"), name)
        program(findings, name, target, text)
        wheel(
            findings,
            folder / ("gonicorn-%s-py3-none-%s.whl" % (findings.version, ".".join(platforms))),
            platforms,
            text,
        )
        sbom(findings, folder / (name + ".cdx.json"))
        if target.startswith("linux/"):
            images(findings, folder / (name + "_image.tar"), target, text)
    formula(findings, folder / "gonicorn.rb", folder)


def checksums(findings: Findings, folder: Path) -> None:
    listed = dict(reversed(line.split("  ")) for line in (folder / "checksums.txt").read_text().splitlines())  # type: ignore[misc]
    there = {p.name for p in folder.iterdir()} - {"checksums.txt"}
    findings.equal("checksums.txt names all files", set(listed), there)
    for name, want in listed.items():
        findings.equal("sha256 of " + name, hashlib.sha256((folder / name).read_bytes()).hexdigest(), want)


def sdist(findings: Findings, path: Path) -> None:
    with tarfile.open(path) as archive:
        names = archive.getnames()
        top = "gonicorn-" + findings.version
        findings.true("the sdist has one folder", all(n.startswith(top + "/") for n in names))
        for name in (
            "PKG-INFO",
            "pyproject.toml",
            "go.mod",
            "cmd/gonicorn/main.go",
            "packaging/python/backend.py",
            "LICENSE",
        ):
            findings.true("the sdist has " + name, top + "/" + name in names)
        info = archive.extractfile(top + "/PKG-INFO").read().decode()  # type: ignore[union-attr]
        findings.true("PKG-INFO has the version", "\nVersion: %s\n" % findings.version in info)


def tarball(findings: Findings, path: Path, top: str) -> bytes:
    with tarfile.open(path) as archive:
        modes = {m.name: oct(m.mode) for m in archive if m.isfile()}
        findings.true(path.name + " belongs to root", all(m.uid == m.gid == 0 for m in archive))
        want = {
            "README.md",
            "LICENSE",
            "CHANGELOG.md",
            "gunicorn.toml.example",
            "share/gonicorn.1.gz",
            "share/gonicorn.bash",
        }
        want |= {"share/_gonicorn", "share/gonicorn.fish", "share/gonicorn.schema.json", "share/gonicorn@.service"}
        expected = {top + "/" + name: "0o644" for name in want}
        expected[top + "/gonicorn"] = "0o755"
        findings.equal("files of " + path.name, modes, expected)
        findings.true(path.name + ": all files say something", all(m.size > 100 for m in archive if m.isfile()))
        return archive.extractfile(top + "/gonicorn").read()  # type: ignore[union-attr]


def program(findings: Findings, name: str, target: str, text: bytes) -> None:
    magic, at, machine = MACHINES[target]
    findings.true(
        name + ": the program is for " + target, text.startswith(magic) and text[at : at + len(machine)] == machine
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gonicorn"
        path.write_bytes(text)
        path.chmod(0o755)
        if target.startswith("linux/"):
            findings.true(
                name + ": no interpreter, so it is static",
                b"/ld-linux" not in text[:4096] and b"/ld-musl" not in text[:4096],
            )
        command = [str(path)]
        if target != binary.host():
            emulator = shutil.which(EMULATORS.get(target, "none"))
            if emulator is None:
                findings.skip(
                    "what %s says of itself" % name,
                    "it does not run here" if target not in EMULATORS else "no " + EMULATORS[target],
                )
                return
            command = [emulator, *command]
        said = subprocess.run([*command, "--version"], capture_output=True, text=True).stdout
        for part in (findings.version, findings.commit[:12], target):
            findings.true("%s --version has %s" % (name, part), part in said, said)


def wheel(findings: Findings, path: Path, platforms: list[str], text: bytes) -> None:
    info = "gonicorn-%s.dist-info" % findings.version
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        script = "gonicorn-%s.data/scripts/gonicorn" % findings.version
        for name in (
            script,
            "gonicorn/__init__.py",
            "gonicorn/__main__.py",
            "gonicorn/py.typed",
            info + "/METADATA",
            info + "/licenses/LICENSE",
        ):
            findings.true("%s has %s" % (path.name, name), name in names)
        findings.true(path.name + " has the archive's program", archive.read(script) == text)
        for entry in archive.infolist():
            findings.equal(
                "mode of %s in %s" % (entry.filename, path.name),
                oct(entry.external_attr >> 16),
                "0o100755" if entry.filename == script else "0o100644",
            )
        findings.true(
            path.name + " has the version",
            "\nVersion: %s\n" % findings.version in archive.read(info + "/METADATA").decode(),
        )
        tags = re.findall(r"^Tag: (.*)$", archive.read(info + "/WHEEL").decode(), re.M)
        findings.equal("tags of " + path.name, tags, ["py3-none-" + p for p in platforms])
        record = {}
        for line in archive.read(info + "/RECORD").decode().splitlines():
            name, said, _ = line.rsplit(",", 2)
            record[name] = said
        findings.equal("RECORD of " + path.name, set(record), names)
        for name in names - {info + "/RECORD"}:
            want = base64.urlsafe_b64encode(hashlib.sha256(archive.read(name)).digest()).rstrip(b"=").decode()
            findings.equal("RECORD of %s in %s" % (name, path.name), record[name], "sha256=" + want)


def sbom(findings: Findings, path: Path) -> None:
    said = json.loads(path.read_text())
    findings.equal(path.name + " is CycloneDX", said.get("bomFormat"), "CycloneDX")
    findings.equal(path.name + " is of gonicorn", said["metadata"]["component"]["name"], "github.com/gonicorn/gonicorn")
    parts = {c["name"]: c["version"] for c in said["components"]}
    findings.true(path.name + " has Go's library", parts.get("std", "").startswith("go1."), parts.get("std"))
    findings.true(path.name + " has golang.org/x/sys", "golang.org/x/sys" in parts)
    findings.true(path.name + " names versions", all(parts.values()))


def images(findings: Findings, path: Path, target: str, text: bytes) -> None:
    config, files = unpacked(findings, path)
    findings.equal("architecture of " + path.name, config["os"] + "/" + config["architecture"], target)
    findings.equal("what %s starts" % path.name, config["config"], image.settings())
    name = image.copied().lstrip("/")
    findings.true(path.name + " has the archive's program", files[name][1] == text)
    modes = {name: oct(mode) for name, (mode, data) in files.items()}
    want = {"tmp": "0o1777", "usr": "0o755", "usr/local": "0o755", "usr/local/bin": "0o755", name: "0o755"}
    findings.equal("files of " + path.name, modes, want)


def unpacked(findings: Findings, path: Path) -> tuple[dict, dict[str, tuple[int, bytes]]]:
    """Returns the config and the files of an OCI image with one layer, and checks its digests."""
    with tarfile.open(path) as archive:
        data = {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}  # type: ignore[union-attr]

    def blob(said: dict) -> bytes:
        found = data["blobs/" + said["digest"].replace(":", "/")]
        findings.equal("digest in " + path.name, image.digest(found), said["digest"])
        findings.equal("size in " + path.name, len(found), said["size"])
        return found

    manifest = json.loads(blob(json.loads(data["index.json"])["manifests"][0]))
    config = json.loads(blob(manifest["config"]))
    layer = blob(manifest["layers"][0])
    findings.equal("layers of " + path.name, config["rootfs"]["diff_ids"], [image.digest(layer)])
    old = json.loads(data["manifest.json"])[0]
    findings.equal(
        "manifest.json of " + path.name,
        [data[old["Config"]], data[old["Layers"][0]]],
        [blob(manifest["config"]), layer],
    )
    files = {}
    scratch = tempfile.SpooledTemporaryFile()
    scratch.write(layer)
    scratch.seek(0)
    with tarfile.open(fileobj=scratch) as archive:  # type: ignore[arg-type]
        for member in archive:
            content = archive.extractfile(member)
            files[member.name] = (member.mode, content.read() if content else b"")
    return config, files


def formula(findings: Findings, path: Path, folder: Path) -> None:
    text = path.read_text()
    pairs = re.findall(r'url "([^"]+)"\n\s+sha256 "([0-9a-f]{64})"', text)
    findings.equal("the formula has all archives", len(pairs), len(binary.PLATFORMS))
    for url, sha in pairs:
        file = folder / url.rpartition("/")[2]
        findings.true("the formula's %s is there" % file.name, file.exists())
        findings.equal("the formula's sha256 of " + file.name, sha, hashlib.sha256(file.read_bytes()).hexdigest())
        findings.true("the formula's address has the version", "/v%s/" % findings.version in url)
    for name in re.findall(r'"(share/[^"]+)"', text):
        with tarfile.open(folder / pairs[0][0].rpartition("/")[2]) as archive:
            findings.true(
                "the formula's %s is in the archive" % name, any(n.endswith("/" + name) for n in archive.getnames())
            )
    ruby = shutil.which("ruby")
    if ruby is None:
        findings.skip("the formula's syntax", "no ruby")
        return
    checked = subprocess.run([ruby, "-w", "-rjson", "-e", LOADED, str(path)], capture_output=True, text=True)
    findings.equal("what Ruby says of the formula", (checked.returncode, checked.stderr), (0, ""))
    said = json.loads(checked.stdout or "{}")
    findings.equal("what the formula installs", said.get("install"), INSTALLED)
    blocks = [system + "/" + machine for system in ("on_macos", "on_linux") for machine in ("on_arm", "on_intel")]
    findings.equal("the formula's platforms", sorted(said.get("url", {})), sorted(blocks))
    findings.equal("the formula's digests", sorted(said.get("sha256", {})), sorted(blocks))
    findings.equal("the formula's version", said.get("version"), {"": findings.version})
    desc = said.get("desc", {}).get("", "")
    findings.true("brew style takes the desc", 0 < len(desc) <= 80 and desc[-1] != "." and desc[0].isupper(), desc)
    findings.equal("the formula has a test", said.get("test"), True)
