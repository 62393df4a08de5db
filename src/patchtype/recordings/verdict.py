"""The registry of quality rules, and the verdict that they give on a cell.

Each rule has one reason (its code), a unit and a threshold where it measures something, and one line that
says why it exists. A *fatal* rule costs the cell; any other writes a note. Rules are applied in stages:
``file`` before anything is opened, ``recording`` on what the file says of itself, ``samples`` on the arrays,
``sweeps`` on what ipfx says of each sweep, ``result`` on what it made of them. Rules of stage ``raised`` have
no function: reader and batch raise `RecordingError` with their code. The rules themselves are in `quality`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

import pandas as pd

from patchtype.recordings.extraction import Families, LongSquares
from patchtype.recordings.nwb import Recording, RecordingError
from patchtype.recordings.protocols import Dataset

STAGES = ("file", "raised", "recording", "samples", "sweeps", "result")


@dataclass(frozen=True)
class Rule:
    """One rule. ``check`` takes a `Case` and returns None or what is wrong in plain words."""

    code: str
    stage: str
    why: str
    fatal: bool = True
    unit: str = ""
    threshold: float | tuple[float, float] | None = None
    check: Callable[[Case], str | None] | None = None


@dataclass
class Case:
    """What the rules look at; later stages fill in more. ``long`` are the numbers of the long squares."""

    source: object
    recording: Recording | None = None
    dataset: Dataset | None = None
    long: list[int] = field(default_factory=list)
    checked: pd.DataFrame | None = None
    long_squares: LongSquares | None = None
    paper: Families | None = None
    official: Families | None = None
    scalars_missing: dict[str, str] = field(default_factory=dict)

    def long_table(self) -> pd.DataFrame:
        """Rows of the sweep check that belong to long squares."""
        return self.checked[self.checked["sweep_number"].isin(self.long)]


@dataclass(frozen=True)
class Finding:
    """A rule that applies to a cell, and what was found."""

    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


@dataclass
class Verdict:
    """Reasons that cost the cell, and notes that do not.

    >>> Verdict([], [Finding("no_ramp", "found no ramp")]).passed
    True
    """

    reasons: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing costs the cell."""
        return not self.reasons

    def add(self, code: str, found: str, allow: Collection[str] = ()) -> None:
        """Write a finding where its rule says; codes in ``allow`` become notes."""
        fatal = RULES[code].fatal and code not in allow
        (self.reasons if fatal else self.notes).append(Finding(code, found))


RULES: dict[str, Rule] = {}


def rule(code: str, stage: str, why: str, **options) -> Callable:
    """Register a check function, or with no function a rule that is raised elsewhere."""
    def register(check: Callable[[Case], str | None] | None) -> Callable | None:
        if code in RULES:
            raise ValueError(f"found two rules with code {code!r}, expected one")
        RULES[code] = Rule(code, stage, why, check=check, **options)
        return check
    return register


def apply(stage: str, case: Case, verdict: Verdict, allow: Collection[str] = ()) -> None:
    """Run the rules of a stage. A rule that itself fails is a reason, too."""
    for each in [r for r in RULES.values() if r.stage == stage and r.check]:
        try:
            found = each.check(case)
        except RecordingError as error:
            return verdict.add(error.code, str(error), allow)
        except OSError as error:  # the other rules would meet it again
            return verdict.add(*unreadable(error), allow)
        except Exception as error:  # noqa: BLE001 - nothing may stop a batch
            verdict.add("unexpected_error", f"{each.code}: {type(error).__name__}: {error}", allow)
        else:
            if found:
                verdict.add(each.code, found, allow)


def unreadable(error: OSError) -> tuple[str, str]:
    """Code and sentence for an error of the HDF5 library."""
    if sizes := re.search(r"truncated file: eof = (\d+).*stored_eof = (\d+)", str(error)):
        return "file_truncated", f"found {sizes[1]} bytes of {sizes[2]}, the file is cut off; fetch it again"
    return "data_corrupt", f"found data that HDF5 cannot read ({str(error).strip()}); fetch the file again"


def table() -> pd.DataFrame:
    """The registry as a table: code, stage, fatal, unit, threshold, why."""
    return pd.DataFrame([{k: v for k, v in vars(r).items() if k != "check"} for r in RULES.values()])


def some(numbers: Iterable[int], limit: int = 5) -> str:
    """Sweep numbers in a sentence.

    >>> some([3, 4]), some(range(9))
    ('sweeps 3, 4', 'sweeps 0, 1, 2, 3, 4 and 4 more')
    """
    numbers = list(numbers)
    shown = ", ".join(str(n) for n in numbers[:limit])
    rest = f" and {len(numbers) - limit} more" if len(numbers) > limit else ""
    return f"sweep{'s' if len(numbers) > 1 else ''} {shown}{rest}"
