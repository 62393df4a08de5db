"""The protocol of a recording, read from the command waveform of all its sweeps together.

What a laboratory calls its stimuli differs from rig to rig; what it injects does not. So steps, short pulses and ramps
are recognised by their shape, and names (the Allen Institute's codes among them) only confirm.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import numpy as np

from patchtype.recordings.recording import Recording, Sweep
from patchtype.recordings.text import span

KINDS = ("long_square", "short_square", "ramp")
LONG_S = 0.3  # a step at least as long shows sag, adaptation and a rate of firing
SHORT_S = 0.010  # a pulse at most as long evokes one action potential and is over
TEST_S = 0.1  # a test pulse is at most as long; a step that is asked for by its name is no shorter
SLEW_S = 0.0002  # a command that passes through a level faster than this is on its way to another
GRID_S = 0.0005  # times of two sweeps that differ less are the same
MOST_EDGES = 20  # a command that changes more often varies continuously
GAP_FREE_EDGES = 2_000  # or is a whole protocol in one sweep
EVERY = "*"  # asked for by this name, a kind is that of each stimulus
NOISE_PA = 0.05  # changes of a measured current below this are none
MEASURED_PA = 3.0  # a measured command is no noisier; what is may be a noise that was injected
CHECKED_NAMES = {"Long Square": "long_square", "Short Square": "short_square", "Ramp": "ramp", "Chirp": "chirp"}


@dataclass(frozen=True)
class Step:
    """What one sweep injects.

    Parameters
    ----------
    sweep : number of the sweep
    kind : ``"long_square"``, ``"short_square"``, ``"ramp"`` or ``"unknown"``; for the last, ``why`` says more
    onset_s, end_s : when the command leaves its holding level and when it is over (s from the start of the sweep)
    amplitude_pa : from the holding level: the height of a step (0 where a sweep of the protocol injects nothing), the
        end of a ramp
    holding_pa : command right before the onset (pA)

    >>> Step(3, "long_square", 0.147, 0.647, -100.0, 0.0)
    Step(sweep=3, kind='long_square', onset_s=0.147, end_s=0.647, amplitude_pa=-100.0, holding_pa=0.0, why='')
    """

    sweep: int
    kind: str
    onset_s: float = 0.0
    end_s: float = 0.0
    amplitude_pa: float = 0.0
    holding_pa: float = 0.0
    why: str = ""


@dataclass(frozen=True)
class Protocol:
    """The protocol of a recording.

    Parameters
    ----------
    steps : one `Step` for each sweep of the recording, in its order
    test_pulse : onset (s), end (s) and height (pA) of the pulse that every sweep has before its stimulus, or None
    quiet_s : time before the steps during which the command is constant in every sweep (s)
    noisy : numbers of sweeps whose command is a measured current, of which the steps were made out
    notes : sentences on what was not obvious
    other : the same of a second family of long squares, of another length in other sweeps, or later in each sweep
    """

    steps: tuple[Step, ...] = ()
    test_pulse: tuple[float, float, float] | None = None
    quiet_s: float = 0.0
    noisy: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    other: Protocol | None = None

    def of(self, kind: str) -> list[int]:
        """Positions in the recording of the sweeps of one kind.

        >>> Protocol((Step(7, "ramp"), Step(8, "long_square"))).of("long_square")
        [1]
        """
        return [k for k, step in enumerate(self.steps) if step.kind == kind]


@dataclass(frozen=True)
class _Shape:
    """A command as constant pieces (first, end, level); ``pieces`` is None where it varies continuously.

    Levels of a measured current that differ by less than ``tolerance`` (pA) are one; it is 0 for a command as given.
    """

    rate: float
    samples: int
    command: np.ndarray
    pieces: list[tuple[int, int, float]] | None
    tolerance: float = 0.0

    def level(self, first_s: float, end_s: float) -> tuple[float, float] | None:
        """Level between two times and right before, if the command is constant in between."""
        first, end = round(first_s * self.rate), round(end_s * self.rate)
        slack = max(round(GRID_S * self.rate), 1)
        if self.pieces is None or end > self.samples + slack:
            return None
        for k, (a, b, level) in enumerate(self.pieces):
            if a <= first + slack and b >= min(end, self.samples) - slack:
                before = self.pieces[k - 1][2] if k and abs(a - first) <= slack else level
                return (level, before) if level == before or b <= end + slack else None  # a longer step is another
        return None


def recognise(recording: Recording, protocol: Mapping[str, str] | None = None) -> Protocol:
    """What each sweep of a recording injects.

    Parameters
    ----------
    protocol : stimulus name → kind (one of `KINDS`), for sweeps that are to be understood so whatever they look like;
        ``"*"`` is every name

    A *long square* is a constant step of at least 0.3 s (0.1 s where it is asked for) whose height differs between
    sweeps (or the only step that there is); the parts that are the same in every sweep are no stimulus: a short one is
    the test pulse, a long one a prepulse. A *short square* is a positive pulse of at most 10 ms, a *ramp* a linear
    rise. All heights are measured from the level right before, so that a holding current does not count.

    >>> def sweep(k):
    ...     command = np.r_[np.zeros(2000), np.full(5000, 25.0 * k), np.zeros(3000)]
    ...     return Sweep(k, f"sweep {k}", 10_000.0, 10_000, lambda: (np.full(10_000, -70.0), command))
    >>> recognise(Recording("a", [sweep(k) for k in (-1, 0, 1)])).steps[2]
    Step(sweep=1, kind='long_square', onset_s=0.2, end_s=0.7, amplitude_pa=25.0, holding_pa=0.0, why='')
    """
    asked = {_plain(name): kind for name, kind in (protocol or {}).items()}
    if unknown := sorted(set(asked.values()) - set(KINDS)):
        raise ValueError(f"found the protocol {unknown[0]!r}, expected one of {', '.join(KINDS)}")
    sweeps = recording.sweeps
    forced = {k: kind for k, s in enumerate(sweeps) if (kind := asked.get(_plain(s.stimulus_name), asked.get(EVERY)))}
    named = [forced.get(k, named_kind(s.stimulus_name)) for k, s in enumerate(sweeps)]
    steps: list[Step | None] = [None] * len(sweeps)
    for k, sweep in enumerate(sweeps):
        if named[k] in ("other", "chirp"):
            steps[k] = Step(sweep.number, "unknown", why=f"the stimulus {sweep.stimulus_name} is none that is analysed")
    shapes = [None if steps[k] else _shape(sweep) for k, sweep in enumerate(sweeps)]
    notes: list[str] = []
    pulse = _test_pulse([s for s in shapes if s])
    silent = {k for k in range(len(sweeps)) if k in forced or not named[k]}
    quiet = _long_squares(sweeps, shapes, pulse, steps, forced, silent, notes)
    other = _second_family(sweeps, shapes, pulse, steps, forced)
    for k, (sweep, shape) in enumerate(zip(sweeps, shapes, strict=True)):
        if steps[k] is None:
            steps[k] = _pulse_or_ramp(sweep.number, shape, pulse, forced.get(k))
    notes += _disagreements(sweeps, steps, named, forced)
    held, before = set(), set()
    for step, shape in zip(steps, shapes, strict=True):
        if step.kind != "unknown":
            level = round(step.holding_pa, 2) if abs(step.holding_pa) > shape.tolerance else 0.0
            (before if level and _comes_back(shape, step) else held).add(level)
    if any(held):
        notes.append(f"found a holding current of {span(held)} pA; amplitudes are measured from it")
    if before:
        notes.append(f"found a prepulse to {span(before)} pA right before the step; amplitudes and the resting "
                     "potential are measured from it")
    noisy = tuple(sweeps[k].number for k, shape in enumerate(shapes) if shape and shape.tolerance and shape.pieces)
    return Protocol(tuple(steps), pulse, quiet, noisy, tuple(notes), other and replace(other, noisy=noisy))


def divided(recording: Recording) -> Recording:
    """A recording whose sweeps hold a whole step protocol each as one sweep a step; any other as it is.

    Divided is a sweep with three heights or more, each a step of the same length from one level and back to it.

    >>> command = np.concatenate([np.r_[np.zeros(5000), np.full(5000, pa), np.zeros(2000)] for pa in (-50, 25, 50)])
    >>> raw = Sweep(0, "gap-free", 10_000.0, len(command), lambda: (np.full(len(command), -70.0), command))
    >>> [step.amplitude_pa for step in recognise(divided(Recording("a", [raw]))).steps]
    [-50.0, 25.0, 50.0]
    """
    parts = {k: _parts(sweep) for k, sweep in enumerate(recording.sweeps)}
    if not any(parts.values()):
        return recording
    sweeps, notes = [], list(recording.notes)
    for k, sweep in enumerate(recording.sweeps):
        sweeps += parts[k] or [sweep]
        if parts[k]:
            notes.append(f"found {len(parts[k])} steps in one sweep ({sweep.where}), which is read as a sweep for each")
    for k, sweep in enumerate(sweeps):
        sweep.number = k
    return replace(recording, sweeps=sweeps, notes=notes)


def _parts(raw: Sweep) -> list[Sweep]:
    """The steps of a sweep as sweeps of their own; none where it is no whole protocol."""
    shape = _shape(raw, GAP_FREE_EDGES)
    pieces = shape.pieces or []
    neighbours = zip(pieces, pieces[1:], pieces[2:], strict=False)
    steps = [(a, b, level) for (*_, before), (a, b, level), (*_, after) in neighbours
             if before == after == pieces[0][2] and (b - a) / shape.rate >= LONG_S]
    lengths = [b - a for a, b, _ in steps]
    if _distinct((level for *_, level in steps), shape.tolerance) < 3 or np.ptp(lengths) > 2 * GRID_S * shape.rate:
        return []
    onsets = np.array([a for a, *_ in steps])
    # Each begins as long before its step, in the middle of the shortest pause.
    lead = min(onsets[0], int((np.diff(onsets) - lengths[:-1]).min()) // 2)
    length = min(np.diff(onsets).min(), shape.samples - onsets[-1] + lead)
    v, i = raw.v_mv, raw.i_pa
    return [Sweep(k, f"{raw.where} from {first / raw.rate:.3f} s", raw.rate, int(length),
                  lambda cut=slice(first, first + length): (v[cut], i[cut]), raw.stimulus_name, raw.bias_current_pa,
                  raw.bridge_balance_mohm) for k, first in enumerate((onsets - lead).tolist())]


# --- names -----------------------------------------------------------------------------------------------

def _plain(name: str) -> str:
    """A stimulus name without the channel suffix and the counter that acquisition appends."""
    return name.removesuffix("_DA_0").split("[")[0].strip()


@cache
def _ontology() -> dict[str, str]:
    """Code of the Allen Institute → name of the stimulus, from the table that ipfx carries."""
    found: dict[str, str] = {}
    table = files("ipfx").joinpath("defaults/stimulus_ontology.json").read_text()
    for stimulus in json.loads(table):
        tags = {tag[0]: tag[1:] for tag in stimulus}
        found |= dict.fromkeys(tags.get("code", ()), tags["name"][0])
    return found


def named_kind(name: str) -> str:
    """What the Allen Institute's codes say of a stimulus name: one of `KINDS`, "chirp", "other", or "" for no code.

    >>> named_kind("X4PS_SupraThresh_DA_0"), named_kind("X2LP_Search"), named_kind("FI_curve")
    ('long_square', 'other', '')
    """
    known = _ontology().get(_plain(name), "Unknown")
    if known == "Unknown":
        return ""
    return "other" if "Triple" in known else CHECKED_NAMES.get(" ".join(known.split()[:2]),
                                                               CHECKED_NAMES.get(known.split()[0], "other"))


def _disagreements(sweeps, steps, named, forced) -> list[str]:
    """One sentence for each way in which names and commands differ."""
    pairs = Counter((_plain(s.stimulus_name), step.kind) for k, (s, step) in enumerate(zip(sweeps, steps, strict=True))
                    if named[k] in KINDS and step.kind not in (named[k], "unknown") and k not in forced)
    return [f"the name {name} does not fit the command of {n} sweep{'s' if n > 1 else ''}, which is a "
            f"{kind.replace('_', ' ')}; the command counts" for (name, kind), n in pairs.items()]


# --- shapes ----------------------------------------------------------------------------------------------

def _shape(sweep: Sweep, most: int = MOST_EDGES) -> _Shape:
    """The command of a sweep as constant pieces, up to its last value; none where it changes more often than ``most``.
    """
    command = sweep.i_pa
    finite = np.isfinite(command)
    whole = bool(finite.all())
    end = len(command) if whole else int(np.flatnonzero(finite)[-1]) + 1 if finite.any() else 0
    command = command[:end]
    if not end or not (whole or finite[:end].all()):
        return _Shape(sweep.rate, end, command, None)
    edges = np.flatnonzero(np.diff(command)) + 1
    tolerance = 0.0
    if len(edges) > most and (found := _steps_in_noise(command, sweep.rate, most)) is not None:
        edges, tolerance = found
    if len(edges) > most:
        return _Shape(sweep.rate, end, command, None)
    bounds = [0, *edges.tolist(), end]
    slew = SLEW_S * sweep.rate
    pieces: list[tuple[int, int, float]] = []
    for a, b in zip(bounds, bounds[1:], strict=False):
        if b - a < slew and b < end and pieces:
            continue  # on the way to the next level
        first = pieces[-1][1] if pieces else 0
        level = float(np.median(command[a:b])) if tolerance else float(command[a])
        level = next((seen for *_, seen in pieces if abs(seen - level) <= tolerance), level)
        if pieces and level == pieces[-1][2]:  # back where it was, after a glitch
            first = pieces.pop()[0]
        pieces.append((first, b, level))
    return _Shape(sweep.rate, end, command, pieces, tolerance)


def _steps_in_noise(command: np.ndarray, rate: float, most: int) -> tuple[np.ndarray, float] | None:
    """Where a noisy command steps (samples), and which difference of levels is noise (pA); None when it does
    anything else than step.

    Medians of 1 ms tell the levels; within its millisecond a step lies where two levels fit best.
    """
    width = max(round(0.001 * rate), 4)
    n = len(command) // width
    if n < 20:
        return None
    blocks = command[:n * width].reshape(n, width)
    middle = np.median(blocks, axis=1)
    away = np.abs(blocks - middle[:, None])
    # Below one count of the converter most samples are alike, and only their mean tells the noise; steps are outliers.
    noise = 1.4826 * float(np.median(away)) or 1.25 * float(np.sort(away.mean(axis=1))[:-(n // 10)].mean())
    limit = max(8 * noise / np.sqrt(width), NOISE_PA)
    if noise == 0 or noise > max(0.2 * np.ptp(middle), MEASURED_PA):
        return None
    jumps = np.flatnonzero(np.abs(np.diff(middle)) > limit)
    runs = np.split(jumps, np.flatnonzero(np.diff(jumps) > 2) + 1) if len(jumps) else []
    if len(runs) > most or any(len(run) > 2 for run in runs):
        return None
    edges = []
    for run in runs:
        first, end = max(int(run[0]) * width, 0), min((int(run[-1]) + 2) * width, len(command))
        window = command[first:end]
        before, after = middle[run[0]], middle[min(run[-1] + 1, n - 1)]
        cost = np.cumsum(np.square(window - before) - np.square(window - after))
        edges.append(first + int(np.argmin(cost)) + 1)
    # Between steps nothing may drift: that would be a ramp or a slow wave.
    bounds = [0, *edges, n * width]
    for a, b in zip(bounds, bounds[1:], strict=False):
        inside = middle[a // width + 1:b // width]
        if len(inside) > 4 and abs(np.polyfit(np.arange(len(inside)), inside, 1)[0]) * len(inside) > 2 * limit:
            return None
    return np.array(edges, dtype=int), limit


# --- what is the same in every sweep ---------------------------------------------------------------------

def _first_pulse(shape: _Shape) -> tuple[float, float, float] | None:
    """Onset, end (s) and height (pA) of a short pulse at the beginning of a command."""
    command, rate = shape.command, shape.rate
    if shape.pieces is not None:
        if len(shape.pieces) < 3:
            return None
        (_, a, before), (_, b, level), (_, _, after) = shape.pieces[:3]
    else:
        changes = np.flatnonzero(np.diff(command) != 0)[:3] + 1
        if len(changes) < 3:
            return None
        a, b = int(changes[0]), int(changes[1])
        before, level, after = float(command[a - 1]), float(command[a]), float(command[b])
    if (b - a) / rate > TEST_S or abs(after - before) > 1e-3 * abs(level - before):
        return None
    return round(a / rate, 4), round(b / rate, 4), round(level - before, 1)


def _test_pulse(shapes: list[_Shape]) -> tuple[float, float, float] | None:
    """The short pulse that begins most sweeps in the same way and is followed by something."""
    pulses = [_first_pulse(shape) for shape in shapes]

    def having(pulse) -> list[_Shape]:
        return [shape for shape, own in zip(shapes, pulses, strict=True) if _alike(own, pulse, shape)]

    pulse = max(dict.fromkeys(filter(None, pulses)), key=lambda p: len(having(p)), default=None)
    if 2 * len(having(pulse)) < len(shapes):
        return None
    return pulse if any(s.pieces is None or len(s.pieces) > 3 for s in having(pulse)) else None


def _alike(own, pulse, shape: _Shape) -> bool:
    """Whether two pulses of `_first_pulse` are one, as far as the noise of a command tells."""
    slack = (GRID_S, GRID_S, shape.tolerance) if shape.tolerance else (0.0, 0.0, 0.0)
    return bool(own and pulse) and all(abs(a - b) <= s for a, b, s in zip(own, pulse, slack, strict=True))


def _after(shape: _Shape, pulse) -> int:
    """First sample after the test pulse."""
    if pulse and _alike(_first_pulse(shape), pulse, shape):
        return round(pulse[1] * shape.rate)
    return 0


# --- long squares ----------------------------------------------------------------------------------------

def _second_family(sweeps, shapes, pulse, steps, forced) -> Protocol | None:
    """The long squares that the first family has left over, or else the second one of each sweep."""
    ends = [step.end_s for step in steps if step and step.kind == "long_square"]
    if not ends:
        return None
    aside = [Step(sweep.number, "unknown", why="not of this family") for sweep in sweeps]
    left, every = [step is None for step in steps], [shape is not None for shape in shapes]
    for free, after in ((left, 0.0), (every, max(ends))):
        more = [None if f else step for step, f in zip(aside, free, strict=True)]
        quiet = _long_squares(sweeps, shapes, pulse, more, forced, set(), [], after)
        family = Protocol(tuple(new or old for new, old in zip(more, aside, strict=True)), pulse, quiet)
        if family.of("long_square"):
            return family
    return None


def _long_squares(sweeps, shapes, pulse, steps, forced, silent, notes, after=0.0) -> float:
    """Fill in the long squares among ``steps``, which begin ``after`` (s); returns the constant time before them (s).

    ``silent``: positions of the sweeps that may be steps of 0 pA. ipfx drops such sweeps, so those with a code of the
    Allen Institute are none.
    """
    windows: Counter = Counter()
    for k, shape in enumerate(shapes):
        if steps[k] or shape is None or shape.pieces is None or forced.get(k, "long_square") != "long_square":
            continue
        start = _after(shape, pulse)
        for j, (a, b, level) in enumerate(shape.pieces):
            # What comes back to the level from before all others is a pause, or the end of the sweep.
            away = level not in (shape.pieces[0][2], shape.pieces[j - 1][2])
            least = (TEST_S if k in forced else LONG_S) - GRID_S
            long = (b - a) / shape.rate >= least
            if j and a > max(start, after * shape.rate) and long and away:
                windows[round(a / shape.rate, 3), round(b / shape.rate, 3)] += 1
    if not windows:
        return 0.0
    found = {}
    for onset, end in windows:
        levels = {k: shape.level(onset, end) for k, shape in enumerate(shapes)
                  if shape is not None and steps[k] is None and forced.get(k, "long_square") == "long_square"}
        levels = {k: level for k, level in levels.items() if level is not None}
        above = {k: level - shapes[k].pieces[0][2] for k, (level, _) in levels.items()}
        slack = max((shapes[k].tolerance for k in levels), default=0.0)
        heights = _distinct((level - before for level, before in levels.values() if level != before), slack)
        found[onset, end] = levels, _distinct(above.values(), slack) > 1 and bool(heights), heights
    varying = {window: f for window, f in found.items() if f[1]} or {w: f for w, f in found.items() if f[2]}
    if not varying:
        return 0.0
    # Of two steps in each sweep the first is analysed, unless it belongs to a few sweeps only.
    most = max(windows[w] for w in varying)
    onset, end = min(w for w in varying if 2 * windows[w] >= most)
    _give(onset, end, found[onset, end][0], sweeps, shapes, steps, silent)
    length = end - onset
    for later, over in sorted(windows, key=lambda w: -windows[w]):
        if abs(over - later - length) <= 2 * GRID_S:  # the same step at another time, in other sweeps
            _give(later, over, found[later, over][0], sweeps, shapes, steps, silent=())
    members = [k for k, step in enumerate(steps) if step and step.kind == "long_square"]
    second = {(a, b) for a, b in varying if a >= end and any(_stepped(shapes[k], a, b) for k in members)}
    if second:
        a, b = min(second)
        notes.append(f"found a second step in each sweep ({a:.3f} to {b:.3f} s); the first one is analysed")
    other = {round(b - a, 3) for a, b in windows
             if abs(b - a - length) > 2 * GRID_S and not any(_stepped(shapes[k], a, b) for k in members)}
    if other:
        notes.append(f"found steps of {', '.join(f'{s:g}' for s in sorted(other))} s beside most of {length:g} s; they "
                     "are read for what those do not give")
    constant = [w for w, f in found.items() if w not in varying and w[1] <= onset + GRID_S and windows[w] > 1]
    if constant:
        notes.append(f"found a prepulse from {constant[0][0]:.3f} to {constant[0][1]:.3f} s that is the same in "
                     "every sweep; it is not analysed")
    if length < LONG_S - GRID_S:
        notes.append(f"found steps of {length:g} s, as they were asked for; sag, adaptation and rates are those of so "
                     "short a step")
    return min((_quiet(shapes[k], steps[k]) for k in members), default=0.0)


def _distinct(values, slack: float) -> int:
    """How many levels there are among values (pA), if smaller differences are none."""
    ordered = sorted(round(value, 2) for value in values)
    return sum(b - a > slack for a, b in zip(ordered, ordered[1:], strict=False)) + bool(ordered)


def _stepped(shape: _Shape, first_s: float, end_s: float) -> bool:
    """Whether a command is constant between two times, and not at its first level."""
    level = shape.level(first_s, end_s)
    return level is not None and level[0] != shape.pieces[0][2]


def _give(onset, end, levels, sweeps, shapes, steps, silent) -> None:
    """Make the sweeps that are constant in a window its long squares; those of 0 pA if they look like the others."""
    stepping = [k for k, (level, before) in levels.items() if level != before]
    alike = {(_plain(sweeps[k].stimulus_name), shapes[k].samples) for k in stepping}
    at = [(_edge(shapes[k], onset) / shapes[k].rate, _edge(shapes[k], end) / shapes[k].rate) for k in stepping]
    for k, (level, before) in levels.items():
        if steps[k] is not None:
            continue
        if level != before:
            first, last = at[stepping.index(k)]
        elif k in silent and (_plain(sweeps[k].stimulus_name), shapes[k].samples) in alike:
            first, last = at[0]
        else:
            continue
        steps[k] = Step(sweeps[k].number, "long_square", first, last, level - before, before)


def _comes_back(shape: _Shape, step: Step) -> bool:
    """Whether a command is after its step where the sweep began, and not where it was right before."""
    if shape.pieces is None:
        return False
    end = _edge(shape, step.end_s)
    after = [level for a, _, level in shape.pieces if a >= end]
    return bool(after) and after[0] == shape.pieces[0][2] and abs(after[0] - step.holding_pa) > shape.tolerance


def _edge(shape: _Shape, t: float) -> int:
    """The sample next to a time at which the command changes."""
    near = round(t * shape.rate)
    edges = [a for a, _, _ in shape.pieces[1:]]
    best = min(edges, key=lambda e: abs(e - near), default=near)
    return best if abs(best - near) <= max(2 * GRID_S * shape.rate, 2) else near


def _quiet(shape: _Shape, step: Step) -> float:
    """Time before a step without any change of the command (s)."""
    first = round(step.onset_s * shape.rate)
    before = [b for _, b, _ in shape.pieces if b <= first - 1]
    return (first - (before[-1] if before else 0)) / shape.rate


# --- short squares and ramps -----------------------------------------------------------------------------

def _pulse_or_ramp(number: int, shape: _Shape, pulse, forced: str | None) -> Step:
    """A sweep that is no long square."""
    if forced == "long_square":
        return Step(number, "unknown", why="the command has no step of more than 0.1 s like those of the other sweeps")
    if not shape.samples:
        return Step(number, "unknown", why="the command has no values")
    if not np.isfinite(shape.command).all():
        return Step(number, "unknown", why="the command has missing samples")
    if shape.pieces is None:
        return _ramp(number, shape, pulse)
    start = _after(shape, pulse)
    changes = [(a, b, level, shape.pieces[k][2]) for k, (a, b, level) in enumerate(shape.pieces[1:]) if a > start]
    pulses = [c for c in changes if c[1] < shape.samples and c[2] != c[3]][::2]
    if not pulses:
        return Step(number, "unknown", why="the command is constant" + (" after the test pulse" if start else ""))
    a, b, level, before = pulses[0]
    seconds = (b - a) / shape.rate
    longest = TEST_S if forced == "short_square" else SHORT_S + GRID_S
    if len(pulses) == 1 and seconds <= longest and level > before:
        return Step(number, "short_square", a / shape.rate, b / shape.rate, level - before, before)
    if len(pulses) > 1:
        why = f"the command has {len(pulses)} pulses"
    elif seconds <= SHORT_S:
        why = "the command is a short negative pulse"
    else:
        why = f"the command is a single step of {seconds:.3g} s"
    return Step(number, "unknown", why=why)


def _ramp(number: int, shape: _Shape, pulse) -> Step:
    """A linear rise, or what varies otherwise."""
    command = shape.command
    edges = np.flatnonzero(np.diff(command)) + 1
    edges = edges[edges > _after(shape, pulse)]
    gaps = np.diff(edges)
    breaks = np.flatnonzero(gaps > max(0.05 * shape.rate, 20 * float(np.median(gaps)) if len(gaps) else 0)) + 1
    edges = max(np.split(edges, breaks), key=len)
    first, last = int(edges[0]), int(edges[-1])
    jumps = np.abs(np.diff(command[first - 1:last + 1]))
    typical = float(np.median(jumps[jumps > 0]))
    end = last if jumps[-1] > 10 * typical else last + 1
    rise = command[first - 1:end]
    away = np.abs(rise - np.linspace(rise[0], rise[-1], len(rise))).max() if len(rise) > 1 else np.inf
    height = float(rise[-1] - rise[0])
    if away > 0.03 * abs(height) + typical or (end - first) / shape.rate < 0.05:
        return Step(number, "unknown", why="the command varies continuously, as a chirp, noise or a measured current")
    if height < 0:
        return Step(number, "unknown", why="the command is a falling ramp")
    return Step(number, "ramp", first / shape.rate, last / shape.rate, height, float(command[first - 1]))
