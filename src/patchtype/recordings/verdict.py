"""The registry of quality rules, and the verdict that they give on a cell.

Each rule has one reason (its code), a unit and a threshold where it measures something, one line that says why it
exists, and what it *costs*: the ``cell`` where nothing can be measured or no number could be trusted, the ``families``
where only the twelve vector families need what is missing, or ``nothing``, which writes a note. Rules are applied in
stages: ``recording`` on the protocol, ``samples`` on the arrays, ``families`` on what the families need, ``result`` on
what came out. Rules of stage ``raised`` have no function: whoever meets them says so. The rules are in `quality`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from patchtype.recordings.hdf5 import unreadable
from patchtype.recordings.recording import RecordingError

if TYPE_CHECKING:
    from patchtype.recordings.cell import Cell

STAGES = ("raised", "recording", "samples", "families", "result")
COSTS = ("cell", "families", "nothing")


@dataclass(frozen=True)
class Rule:
    """One rule. ``check`` takes a `Cell` and returns None or what is wrong in plain words.

    ``waivable``: something is left to compute where the rule is allowed to cost nothing.
    """

    code: str
    stage: str
    why: str
    costs: str = "cell"
    unit: str = ""
    threshold: float | tuple[float, float] | None = None
    waivable: bool = False
    check: Callable[[Cell], str | None] | None = None

    @property
    def fatal(self) -> bool:
        """Whether it costs the whole cell."""
        return self.costs == "cell"


@dataclass(frozen=True)
class Finding:
    """A rule that applies to a cell, and what was found."""

    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


@dataclass
class Verdict:
    """What was found on a cell: ``reasons`` that cost it, those that cost its ``families`` only, and ``notes``.

    >>> verdict = Verdict([], [Finding("no_ramp", "found no ramp")])
    >>> verdict.passed, verdict.has_families
    (True, True)
    """

    reasons: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    families: list[Finding] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether there are features."""
        return not self.reasons

    @property
    def has_families(self) -> bool:
        """Whether there are the twelve families, too."""
        return not self.reasons and not self.families

    def add(self, code: str, found: str, allow: Collection[str] = ()) -> None:
        """Write a finding where its rule says; codes in ``allow`` become notes."""
        rule = RULES[code]
        costs = "nothing" if rule.waivable and code in allow else rule.costs
        {"cell": self.reasons, "families": self.families, "nothing": self.notes}[costs].append(Finding(code, found))

    def add_error(self, error: Exception, allow: Collection[str] = ()) -> None:
        """Write down what an error means; one that nobody foresaw is a reason, too, for nothing may stop a batch."""
        self.add(*meaning(error), allow)


RULES: dict[str, Rule] = {}


def meaning(error: Exception) -> tuple[str, str]:
    """Code and sentence for whatever was raised while a recording was read or analysed.

    >>> meaning(ZeroDivisionError("by zero"))
    ('unexpected_error', 'ZeroDivisionError: by zero')
    """
    if isinstance(error, RecordingError):
        return error.code, str(error)
    if isinstance(error, OSError):
        return unreadable(error)
    if isinstance(error, MemoryError):
        return "too_large", f"found a cell that takes more memory than may be used ({error}); split the file"
    return "unexpected_error", f"{type(error).__name__}: {error}"


def rule(code: str, stage: str, why: str, **options) -> Callable:
    """Register a check function, or with no function a rule that is raised elsewhere."""
    def register(check: Callable[[Cell], str | None] | None) -> Callable | None:
        if code in RULES:
            raise ValueError(f"found two rules with code {code!r}, expected one")
        RULES[code] = Rule(code, stage, why, check=check, **options)
        return check
    return register


def apply(stage: str, cell: Cell, allow: Collection[str] = ()) -> None:
    """Run the rules of a stage. A rule that itself fails is a reason, too."""
    for each in [r for r in RULES.values() if r.stage == stage and r.check]:
        try:
            found = each.check(cell)
        except (RecordingError, OSError) as error:  # the other rules would meet it again
            return cell.verdict.add_error(error, allow)
        except Exception as error:  # noqa: BLE001 - nothing may stop a batch
            code, text = meaning(error)
            cell.verdict.add(code, f"{each.code}: {text}", allow)
        else:
            if found:
                cell.verdict.add(each.code, found, allow)
    return None


def table() -> pd.DataFrame:
    """The registry as a table: code, stage, costs, fatal, unit, threshold, waivable, why."""
    columns = ("code", "stage", "costs", "fatal", "unit", "threshold", "waivable", "why")
    return pd.DataFrame([{name: getattr(r, name) for name in columns} for r in RULES.values()])


def waivable() -> tuple[str, ...]:
    """Codes that ``--allow`` takes: with them something is left to compute.

    >>> "no_short_squares" in waivable(), "no_sweeps" in waivable()
    (True, False)
    """
    return tuple(sorted(code for code, r in RULES.items() if r.waivable))


def some(numbers: Iterable[int], limit: int = 5) -> str:
    """Sweep numbers in a sentence.

    >>> some([3, 4]), some(range(9))
    ('sweeps 3, 4', 'sweeps 0, 1, 2, 3, 4 and 4 more')
    """
    numbers = list(numbers)
    shown = ", ".join(str(n) for n in numbers[:limit])
    rest = f" and {len(numbers) - limit} more" if len(numbers) > limit else ""
    return f"sweep{'s' if len(numbers) > 1 else ''} {shown}{rest}"
