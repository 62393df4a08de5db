"""One thing wrong on one page. Every check of the press tells what it finds in this form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One thing wrong on one page, with what to do about it.

    ``aspect``: what kind of check found it, such as links or weight. ``advice``: it is told, and stops no build.

    >>> str(Finding("a.html", "is wrong."))
    'a.html: is wrong.'
    """

    page: str
    what: str
    aspect: str = "content"
    advice: bool = False

    def __str__(self) -> str:
        return f"{self.page}: {'advice: ' * self.advice}{self.what}"


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """By page in the order in which pages first come, and on each page what must be put right before advice."""
    findings = list(findings)
    pages = list(dict.fromkeys(finding.page for finding in findings))
    return sorted(findings, key=lambda finding: (pages.index(finding.page), finding.advice))


def wrong(findings: Iterable[Finding]) -> int:
    """How many of them must be put right."""
    return sum(not finding.advice for finding in findings)


def rows(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """As plain values, for JSON."""
    return [asdict(finding) for finding in findings]
