"""Simulated cells: a neuron drawn from its class, taken through the Allen protocol, written as NWB.

Every class has a fitted prototype and a spread (``populations.toml``). A cell is drawn from them: passive
properties from the distribution of real cells, channel densities around the prototype, and a share of another
class of its species mixed in, for real classes overlap. Everything made from these cells is *simulated*.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from patchtype.files import write_bytes
from patchtype.recordings import defects
from patchtype.recordings.nwb import RawSweep, write
from patchtype.simulation.membrane import SPIKE_MV, Membrane, respond, settled, step

#: Raised by one with every change that gives other recordings for the same seed; see `patchtype.simulation.embedded`.
VERSION = 4
KHZ = 50
ADC_MV = 1 / 32  # step of the amplifier's converter
AMPLIFIER_NOISE_MV = 0.02
TEST_PULSE = (20.0, 10.0, -20.0)  # ms, ms, pA
ONSET, LONG, SHORT = 600.0, 1000.0, 3.0  # ms
LONG_END, SHORT_END, RAMP_END = 2150.0, 1250.0, 600.0  # ms; the last after the ramp
HYPERPOLARIZING = tuple(range(-110, 0, 20))  # pA
DEPOLARIZING_STEP, ABOVE_RHEOBASE = 20, 100  # pA
LARGEST_STEP = 590  # pA
SHORT_SEARCH_END = 660.0  # ms; no more of a sweep is needed to see whether a short step gives a spike
SHORT_AMPLITUDES = tuple(5 * round(30 * 1.12 ** k) for k in range(26))  # pA
RAMP_SLOPE = 25.0  # pA/s
NOISE_PA = 2.5  # median of the synaptic current's standard deviation
DEPOLARIZED_NOISE = 3.0  # times that during a depolarizing step, for the noise of open channels grows with them
CELLS_PER_DONOR = 4
BATCH = 16  # sweeps simulated together


@cache
def populations() -> dict:
    """Species → subclass → ``prototype``, ``spread`` and ``share`` (fraction of the cohort)."""
    return tomllib.loads(files("patchtype.simulation").joinpath("populations.toml").read_text())


def prototype(species: str, subclass: str) -> Membrane:
    """The fitted neuron of a class. Raises ValueError for an unknown one.

    >>> prototype("mouse", "Pvalb").capacitance > 10
    True
    """
    known = populations()
    if subclass not in known.get(species, {}):
        names = ", ".join(f"{s} {c}" for s, classes in known.items() for c in classes)
        raise ValueError(f"found the class {species} {subclass}, expected one of: {names}")
    return Membrane(**known[species][subclass]["prototype"])


@dataclass(frozen=True)
class Neuron:
    """A drawn neuron, the error of its recorded potential (mV) and its synaptic current (pA, sd)."""

    membrane: Membrane
    offset: float
    noise: float


def sample(species: str, subclass: str, rng: np.random.Generator) -> Neuron:
    """A neuron of a class: its prototype with the spread of the class.

    Input resistance and time constant are drawn together (log-normal, correlated). Channel densities are
    log-normal, after the active side was blended with the prototype of another class. Most of the spread of
    resting potentials is an error of the electrode, which moves threshold, peak and trough along.
    """
    base, spread = prototype(species, subclass), populations()[species][subclass]["spread"]
    others = [c for c in populations()[species] if c != subclass]
    other = prototype(species, others[rng.integers(len(others))])
    w = spread["blend"] * rng.beta(1.0, 2.0)
    both = [[1, spread["correlation"]], [spread["correlation"], 1]]
    resistance, tau = rng.multivariate_normal([0, 0], both) * (spread["resistance"], spread["tau"])

    def mixed(name: str, sd: float) -> float:
        return float((1 - w) * getattr(base, name) + w * getattr(other, name) + rng.normal(0, sd))

    def log_mixed(a: float, b: float, log_change: float) -> float:
        return float(np.exp((1 - w) * np.log(a) + w * np.log(b) + log_change))

    # Densities are per area and area goes with capacitance: a channel's share of the conductance is kept.
    size = tau - resistance
    return Neuron(
        replace(
            base, capacitance=float(base.capacitance * np.exp(size)), leak=float(base.leak * np.exp(-resistance)),
            rest=base.rest + float(rng.normal(0, 0.3 * spread["rest"])),
            shift=mixed("shift", spread["shift"]), ena=mixed("ena", spread["ena"]), ek=mixed("ek", 2.0),
            kv3_shift=mixed("kv3_shift", 1.0), kt_shift=mixed("kt_shift", 1.0),
            calcium_decay=log_mixed(base.calcium_decay, other.calcium_decay, 0.0),
            densities={
                name: log_mixed(d, other.densities[name], -tau + rng.normal(0, spread["densities"]))
                for name, d in base.densities.items()
            },
        ),
        offset=float(rng.normal(0, 0.9 * spread["rest"])), noise=float(NOISE_PA * np.exp(rng.normal(0, 0.3))),
    )


def synaptic_noise(duration: float, rng: np.random.Generator, sd: float, tau: float = 3.0, dt: float = 0.5):
    """An Ornstein-Uhlenbeck current: list of (ms, pA); ``sd`` in pA, ``tau`` and ``dt`` in ms."""
    keep = np.exp(-dt / tau)
    x = lfilter([sd * np.sqrt(1 - keep ** 2)], [1, -keep], rng.normal(size=round(duration / dt)))
    return list(zip((np.arange(len(x)) * dt).tolist(), x.tolist(), strict=True))


def louder(current: list[tuple[float, float]], length: float, pa: float) -> list[tuple[float, float]]:
    """A noise current, `DEPOLARIZED_NOISE` times as large during a step of ``length`` ms (``pa`` pA) that depolarizes.

    >>> louder([(0.0, 1.0), (700.0, 1.0)], 1000.0, 50.0)
    [(0.0, 1.0), (700.0, 3.0)]
    """
    factor = DEPOLARIZED_NOISE if pa > 0 else 1.0
    return [(t, x * factor if ONSET <= t < ONSET + length else x) for t, x in current]


def command(duration: float, onset: float = ONSET, length: float = 0.0, pa: float = 0.0) -> np.ndarray:
    """The command current (pA, 50 kHz) of a sweep with test pulse and one step; times in ms."""
    i = np.zeros(round(duration * KHZ))
    start, width, size = TEST_PULSE
    i[round(start * KHZ):round((start + width) * KHZ)] = size
    i[round(onset * KHZ):round((onset + length) * KHZ)] = pa
    return i


def record(v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A potential (mV) as the amplifier stores it: white noise, steps of 1/32 mV."""
    return np.round((v + rng.normal(0, AMPLIFIER_NOISE_MV, len(v))) / ADC_MV) * ADC_MV


def protocol(neuron: Neuron, rng: np.random.Generator) -> list[RawSweep]:
    """A neuron's recording: long squares from -110 pA to 100 pA above rheobase, short squares, a ramp.

    The order is that of the Allen protocol.
    """
    pulse, membrane, noise = step(*TEST_PULSE), settled([neuron.membrane])[0], neuron.noise

    def steps(amplitudes, length, duration) -> list[np.ndarray]:
        jobs = [(membrane, [pulse, step(ONSET, length, pa), louder(synaptic_noise(duration, rng, noise), length, pa)])
                for pa in amplitudes]
        found = [v for k in range(0, len(jobs), BATCH) for v in respond(jobs[k:k + BATCH], duration, KHZ)]
        return [record(v + neuron.offset, rng) for v in found]

    sweeps = [
        RawSweep("X1PS_SubThresh_DA_0", command(LONG_END, length=LONG, pa=pa), v)
        for pa, v in zip(HYPERPOLARIZING, steps(HYPERPOLARIZING, LONG, LONG_END), strict=True)
    ]
    rheobase, first = None, 10
    while first <= LARGEST_STEP and (rheobase is None or first <= rheobase + ABOVE_RHEOBASE):
        amplitudes = range(first, min(first + 8 * DEPOLARIZING_STEP, LARGEST_STEP + 1), DEPOLARIZING_STEP)
        for pa, v in zip(amplitudes, steps(amplitudes, LONG, LONG_END), strict=True):
            if rheobase is None and fires(v, LONG, neuron.offset):
                rheobase = pa
            if rheobase is None or pa <= rheobase + ABOVE_RHEOBASE:
                code = "X3LP_Rheo_DA_0" if rheobase is None or pa == rheobase else "X4PS_SupraThresh_DA_0"
                sweeps.append(RawSweep(code, command(LONG_END, length=LONG, pa=pa), v))
        first = amplitudes[-1] + DEPOLARIZING_STEP
    search = steps(SHORT_AMPLITUDES, SHORT, SHORT_SEARCH_END)
    spiking = next((k for k, v in enumerate(search) if fires(v, 50.0, neuron.offset)), None)
    if spiking is not None:
        kept = [*SHORT_AMPLITUDES[max(spiking - 1, 0):spiking], *[SHORT_AMPLITUDES[spiking]] * 3]
        sweeps += [_short(pa, v) for pa, v in zip(kept, steps(kept, SHORT, SHORT_END), strict=True)]
    sweeps.append(_ramp(replace(neuron, membrane=membrane), rheobase or LARGEST_STEP, rng))
    return sweeps


def fires(v: np.ndarray, window: float, offset: float = 0.0) -> bool:
    """Whether a potential (mV, 50 kHz) crosses -10 mV, beside its offset, within ``window`` ms of the onset."""
    return bool(v[round(ONSET * KHZ):round((ONSET + window) * KHZ)].max() - offset > SPIKE_MV)


def _short(pa: float, v: np.ndarray) -> RawSweep:
    return RawSweep("X6SP_Rheo_DA_0", command(SHORT_END, length=SHORT, pa=pa), v)


def _ramp(neuron: Neuron, rheobase: float, rng: np.random.Generator) -> RawSweep:
    """A ramp of 25 pA/s, stopped a second after the first spike."""
    rise = rheobase / RAMP_SLOPE * 1350 + 1000
    duration = ONSET + rise + RAMP_END
    ramp = [(ONSET, 0.0), (ONSET + rise, RAMP_SLOPE * rise / 1000), (ONSET + rise, 0.0)]
    currents = [step(*TEST_PULSE), ramp, synaptic_noise(duration, rng, neuron.noise)]
    v = respond([(neuron.membrane, currents)], duration, KHZ, after_spike=1000.0)[0]
    spikes = np.flatnonzero(v > SPIKE_MV)
    end = min(len(v), spikes[0] + 1000 * KHZ) if len(spikes) else len(v)
    v, i = v[:end], command(duration)[:end]
    t = np.arange(end) / KHZ
    on = (t >= ONSET) & (t < ONSET + rise)
    i[on] = RAMP_SLOPE * (t[on] - ONSET) / 1000
    return RawSweep("X7Ramp_DA_0", i, record(v + neuron.offset, rng))


def generator(seed: int, number: int) -> np.random.Generator:
    """The random numbers of one cell, independent of how many cells there are."""
    return np.random.default_rng(np.random.SeedSequence([seed, number]))


def cell(species: str, subclass: str, seed: int = 0, number: int = 0, defect: str = "") -> list[RawSweep]:
    """The recording of one simulated cell; ``defect`` is a code of `defects.OF_SWEEPS`, or empty.

    >>> len(cell("mouse", "Pvalb")) > 20       # doctest: +SKIP
    True
    """
    rng = generator(seed, number)
    sweeps = protocol(sample(species, subclass, rng), rng)
    return defects.OF_SWEEPS[defect](sweeps, rng) if defect in defects.OF_SWEEPS else sweeps


def plan(n: int, seed: int = 0, species: str = "mouse", bad_share: float = 0.1) -> list[tuple[str, str]]:
    """Subclass and defect (empty for none) of each of ``n`` cells of a cohort.

    Classes come in their real proportions, shuffled by the seed; at least one cell is bad, and defects take
    turns, so that ``len(defects.ALL) / bad_share`` cells show every one.
    """
    if n < 1:
        raise ValueError(f"found {n} cells, expected at least 1")
    classes = populations()[species]
    shares = np.array([c["share"] for c in classes.values()])
    counts = np.floor(shares / shares.sum() * n).astype(int)
    counts[np.argsort(counts - shares / shares.sum() * n)[: n - counts.sum()]] += 1
    subclasses = np.repeat(list(classes), counts)
    rng = np.random.default_rng(seed)
    rng.shuffle(subclasses)
    bad = rng.permutation(n)[: max(round(n * bad_share), 1 if bad_share else 0)]
    turn = {int(k): defects.ALL[j % len(defects.ALL)] for j, k in enumerate(bad)}
    return [(str(s), turn.get(k, "")) for k, s in enumerate(subclasses)]


def label(species: str, subclass: str, seed: int, number: int, defect: str = "") -> dict:
    """What a simulated cell is: one row of ``labels.csv``."""
    donor = f"{species}{number // CELLS_PER_DONOR:04d}"
    return {"cell_id": f"sub-{donor}_ses-{number:05d}_icephys", "species": species, "subclass": subclass,
            "subject_id": donor, "seed": seed, "number": number, "defect": defect}


def labels(n: int, seed: int = 0, species: str = "mouse", bad_share: float = 0.1) -> list[dict]:
    """What each of ``n`` cells of a cohort is, see `label` and `plan`.

    >>> labels(1, seed=3)[0]["cell_id"]
    'sub-mouse0000_ses-00000_icephys'
    """
    planned = enumerate(plan(n, seed, species, bad_share))
    return [label(species, subclass, seed, number, defect) for number, (subclass, defect) in planned]


def simulate(n: int, out: str | Path, seed: int = 0, species: str = "mouse", bad_share: float = 0.1,
             mies: bool = False, workers: int = 0) -> Iterator[Path]:
    """Write a cohort of NWB files and ``labels.csv``; yields each path when its file is there.

    A file that is there already is kept, so that a stopped run goes on. ``labels.csv`` says what each cell is,
    see `label`, and is written first. ``workers``: processes; 0 works in this one.
    """
    out = Path(out)
    rows = labels(n, seed, species, bad_share)
    out.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows).to_csv(index=False, lineterminator="\n")
    known = out / "labels.csv"
    if known.exists() and known.read_text() != table:
        raise ValueError(f"found another cohort in {out}, expected the same call as before; use another folder")
    write_bytes(known, table.encode())
    if not workers:
        yield from (make_file(row, out, mies) for row in rows)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(make_file, rows, [out] * n, [mies] * n)


def make_file(row: dict, out: Path, mies: bool = False, compression: int = 4) -> Path:
    """Simulate and write one cell of `labels` unless its file is there; returns the path.

    A defect of the file is put in before the file appears. ``compression``: gzip level.
    """
    path = out / f"{row['cell_id']}.nwb"
    if not path.exists():
        sweeps = cell(row["species"], row["subclass"], row["seed"], row["number"], row["defect"])
        hidden = write(out / f".{path.name}", sweeps, mies=mies, session_id=f"{row['number']:05d}",
                       subject_id=row["subject_id"], species=row["species"], compression=compression)
        if row["defect"] in defects.OF_FILES:
            defects.OF_FILES[row["defect"]](hidden)
        hidden.replace(path)
    return path
