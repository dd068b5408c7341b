"""Writes the Homebrew formula, which installs the archive for the platform."""

from __future__ import annotations

import hashlib
from pathlib import Path

from metadata import REPOSITORY, project, version

BLOCKS = {"darwin": "on_macos", "linux": "on_linux"}
MACHINES = {"arm64": "on_arm", "amd64": "on_intel"}


def write(path: Path, archives: dict[str, Path]) -> None:
    lines = [
        "class Gonicorn < Formula",
        '  desc "%s"' % describe(str(project()["description"])),
        '  homepage "%s"' % REPOSITORY,
        '  version "%s"' % version(),
        '  license "%s"' % project()["license"],
        "",
    ]
    for system, block in BLOCKS.items():
        lines.append("  %s do" % block)
        for machine, inner in MACHINES.items():
            file = archives["%s/%s" % (system, machine)]
            lines += [
                "    %s do" % inner,
                '      url "%s/releases/download/v%s/%s"' % (REPOSITORY, version(), file.name),
                '      sha256 "%s"' % hashlib.sha256(file.read_bytes()).hexdigest(),
                "    end",
            ]
        lines += ["  end", ""]
    lines += [
        "  def install",
        '    bin.install "gonicorn"',
        '    man1.install "share/gonicorn.1.gz"',
        '    bash_completion.install "share/gonicorn.bash" => "gonicorn"',
        '    zsh_completion.install "share/_gonicorn"',
        '    fish_completion.install "share/gonicorn.fish"',
        "  end",
        "",
        "  test do",
        '    assert_match version.to_s, shell_output("#{bin}/gonicorn --version")',
        "  end",
        "end",
    ]
    path.write_text("\n".join(lines) + "\n")


def describe(text: str) -> str:
    """Shortens a description to what brew style accepts: at most 80 characters, and no full stop."""
    return text.split(",")[0].split(":")[0].rstrip(".").replace('"', '\\"')
