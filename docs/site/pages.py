"""A hook of mkdocs: README.md and CHANGELOG.md become pages, and what links out of docs/ links to the repository."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"README.md": "index.md", "CHANGELOG.md": "CHANGELOG.md"}  # in the repository's root, and on the site
LINK = re.compile(r"(\]\()([^)#\s:]+)(#[^)\s]*)?\)")
FILE = re.compile(r"^```(\w+) file=(\S+)$", re.MULTILINE)


def on_files(files: Files, config: Any) -> Files:
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=relink(text, source, config.repo_url)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    markdown = FILE.sub(r'```\1 title="\2"', markdown)
    if page.file.src_uri in PAGES.values():
        return markdown  # on_files has done it
    return relink(markdown, "docs/" + page.file.src_uri, config.repo_url)


def relink(markdown: str, source: str, repository: str) -> str:
    """Changes links that are right in the repository so that they are right on the site."""
    own = PAGES.get(source, source.removeprefix("docs/"))

    def replaced(match: re.Match[str]) -> str:
        before, path, anchor = match.group(1), match.group(2), match.group(3) or ""
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if target in PAGES:
            page = PAGES[target]
        elif target.startswith("docs/"):
            page = target.removeprefix("docs/")
        else:
            kind = "tree" if (ROOT / target).is_dir() else "blob"
            return f"{before}{repository}/{kind}/main/{target}{anchor})"
        return f"{before}{posixpath.relpath(page, posixpath.dirname(own) or '.')}{anchor})"

    return LINK.sub(replaced, markdown)
