"""Checks the deb and the rpm with dpkg-deb and rpm."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import packages
from finding import Findings

DEB = {"amd64": "amd64", "arm64": "arm64"}
RPM = {"amd64": "x86_64", "arm64": "aarch64"}


def deb(folder: Path, version: str, machine: str) -> Path:
    return folder / ("gonicorn_%s-1_%s.deb" % (version, DEB[machine]))


def rpm(folder: Path, version: str, machine: str) -> Path:
    return folder / ("gonicorn-%s-1.%s.rpm" % (version, RPM[machine]))


def expected() -> dict[str, str]:
    """Returns the files of a package, with their modes."""
    files = dict.fromkeys(packages.PLACES.values(), "-rw-r--r--")
    files["/usr/bin/gonicorn"] = "-rwxr-xr-x"
    return files


def look(findings: Findings, folder: Path) -> None:
    for machine in DEB:
        if shutil.which("dpkg-deb"):
            look_deb(findings, deb(folder, findings.version, machine), machine)
        else:
            findings.skip("the deb for " + machine, "no dpkg-deb")
        if shutil.which("rpm"):
            look_rpm(findings, rpm(folder, findings.version, machine), machine)
        else:
            findings.skip("the rpm for " + machine, "no rpm")


def says(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def look_deb(findings: Findings, path: Path, machine: str) -> None:
    fields = says("dpkg-deb", "--field", str(path))
    for name, want in {
        "Package": "gonicorn",
        "Version": findings.version + "-1",
        "Architecture": DEB[machine],
        "Section": "httpd",
    }.items():
        findings.true(
            "%s: %s is %s" % (path.name, name, want),
            re.search("^%s: %s$" % (name, re.escape(want)), fields, re.M) is not None,
            fields,
        )
    findings.true(path.name + " depends on nothing", "Depends" not in fields, fields)
    lines = [line.split() for line in says("dpkg-deb", "--contents", str(path)).splitlines()]
    findings.true(path.name + " belongs to root", all(line[1] == "root/root" for line in lines))
    findings.equal(
        "files of " + path.name, {line[5].lstrip("."): line[0] for line in lines if line[0].startswith("-")}, expected()
    )
    findings.true(path.name + " has /etc/gonicorn", any(line[5].strip("./") == "etc/gonicorn" for line in lines))


def look_rpm(findings: Findings, path: Path, machine: str) -> None:
    said = says("rpm", "-qp", "--qf", "%{NAME} %{VERSION} %{RELEASE} %{ARCH} %{LICENSE}", str(path))
    findings.equal("what %s is" % path.name, said, "gonicorn %s 1 %s MIT" % (findings.version, RPM[machine]))
    needs = [n for n in says("rpm", "-qp", "--requires", str(path)).split("\n") if n and not n.startswith("rpmlib(")]
    findings.equal(path.name + " depends on nothing", needs, [])
    lines = says(
        "rpm", "-qp", "--qf", "[%{FILENAMES}\t%{FILEMODES:perms}\t%{FILEUSERNAME}\t%{FILEGROUPNAME}\n]", str(path)
    ).splitlines()
    files = [line.split("\t") for line in lines]
    findings.true(path.name + " belongs to root", all(f[2:] == ["root", "root"] for f in files))
    findings.equal("files of " + path.name, {f[0]: f[1] for f in files if f[1].startswith("-")}, expected())
    checked = subprocess.run(["rpm", "-K", "--nosignature", str(path)], capture_output=True, text=True)
    findings.true(path.name + ": its digests are right", checked.returncode == 0, checked.stdout)
