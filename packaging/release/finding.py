"""The results of checking a release."""

from __future__ import annotations

import os


class Findings:
    """Prints a line for each check. The first word of a failed one is FAIL."""

    def __init__(self, version: str, commit: str) -> None:
        self.version = version
        self.commit = commit
        self.checked = self.failed = 0
        self.skipped: list[str] = []

    def true(self, what: str, holds: bool, instead: object = "") -> None:
        self.checked += 1
        if not holds:
            self.failed += 1
            print("FAIL", what, instead or "", flush=True)

    def equal(self, what: str, got: object, want: object) -> None:
        self.true(what, got == want, "\n  is   %r\n  want %r" % (got, want))

    def skip(self, what: str, why: str) -> None:
        """Notes what cannot be checked here."""
        self.skipped.append(what)
        print("NOT CHECKED", what + ":", why, flush=True)

    def report(self) -> None:
        print("%d checks, %d failed, %d not made" % (self.checked, self.failed, len(self.skipped)))
        if self.failed or self.skipped and os.environ.get("RELEASE_CHECK") == "all":
            raise SystemExit(1)
