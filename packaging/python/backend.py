"""The build backend of pyproject.toml (PEP 517): with it and Go, pip builds gonicorn from its sources."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import archive  # noqa: E402
import binary  # noqa: E402
from metadata import ROOT  # noqa: E402


def build_wheel(wheel_directory: str, config_settings=None, metadata_directory=None) -> str:
    target = binary.host()
    return archive.write_wheel(Path(wheel_directory), binary.build(target), binary.PLATFORMS[target]).name


def build_sdist(sdist_directory: str, config_settings=None) -> str:
    return archive.write_sdist(Path(sdist_directory), sources()).name


def get_requires_for_build_wheel(config_settings=None) -> list[str]:
    return []


def get_requires_for_build_sdist(config_settings=None) -> list[str]:
    return []


def sources() -> list[str]:
    """Lists the files of the checkout, or of the unpacked sdist."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        return [name for name in listed.decode().split("\0") if name]
    made = {"PKG-INFO", "COMMIT"}
    return [
        str(path.relative_to(ROOT))
        for path in sorted(ROOT.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and path.name not in made
    ]
