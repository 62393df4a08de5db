"""Conductance-based single-compartment neurons in Arbor, with the channels of its Allen catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import arbor
import numpy as np
from arbor import units as U

DT_MS = 0.02
TEMPERATURE_K = 307.15  # 34 degrees Celsius, as recorded
CHUNK_MS = 500.0  # a run that may end early is looked at so often
SPIKE_MV = -10.0
GROUP = 16  # cells that Arbor advances together in one vector

#: Channels with the parameters that may be set beside the density (S/cm2).
CHANNELS = ("NaV", "Kv3_1", "Kd", "Kv2like", "Im_v2", "Ih", "K_T", "Nap", "SK", "Ca_HVA")


@dataclass(frozen=True)
class Membrane:
    """A neuron. ``densities``: channel of `CHANNELS` → S/cm2; ``shift`` (mV) moves all gates together.

    Capacitance in pF, leak in nS with reversal ``rest`` (mV), ``ena`` and ``ek`` in mV, calcium decay in ms,
    ``start``: potential (mV) at time 0, by default ``rest``.
    """

    capacitance: float
    leak: float
    rest: float
    shift: float = 0.0
    ena: float = 53.0
    ek: float = -92.0
    kv3_shift: float = 0.0
    kt_shift: float = 0.0
    calcium_decay: float = 80.0
    start: float | None = None
    densities: dict[str, float] = field(default_factory=dict)

    def __post_init__(self):
        if self.capacitance <= 0 or self.leak <= 0:
            raise ValueError(f"found {self.capacitance} pF and {self.leak} nS, expected both above 0")
        if unknown := set(self.densities) - set(CHANNELS):
            raise ValueError(f"found the channel {sorted(unknown)[0]!r}, expected one of {CHANNELS}")


@cache
def _catalogue():
    catalogue = arbor.default_catalogue()
    catalogue.extend(arbor.allen_catalogue(), "")
    return catalogue


def _mechanisms(membrane: Membrane, area_cm2: float) -> list:
    """Arbor's densities. Reversal potentials move against the gates' shift, which is added to the result."""
    leak = arbor.density(f"pas/e={membrane.rest - membrane.shift}", {"g": membrane.leak * 1e-9 / area_cm2})
    channels = []
    for name, density in membrane.densities.items():
        if density > 0:
            parameters = {"gbar": density} | ({"vshift": membrane.kt_shift} if name == "K_T" else {})
            # Arbor has the shift of Kv3_1 as a global of the mechanism, which goes into its name.
            named = f"Kv3_1/vshift={membrane.kv3_shift}" if name == "Kv3_1" else name
            channels.append(arbor.density(named, parameters))
    if membrane.densities.get("Ca_HVA", 0) > 0:
        channels.append(arbor.density("CaDynamics", {"gamma": 0.05, "decay": membrane.calcium_decay}))
    return [leak, *channels]


def _cell(membrane: Membrane, currents: Sequence[Sequence[tuple[float, float]]]):
    """An Arbor cell: a cylinder as long as wide with 1 uF/cm2, and the currents injected into it."""
    area_um2 = membrane.capacitance * 100.0
    side = np.sqrt(area_um2 / np.pi)
    tree = arbor.segment_tree()
    tree.append(arbor.mnpos, arbor.mpoint(-side / 2, 0, 0, side / 2), arbor.mpoint(side / 2, 0, 0, side / 2), tag=1)
    start = membrane.rest if membrane.start is None else membrane.start
    decor = arbor.decor()
    decor.set_property(
        Vm=(start - membrane.shift) * U.mV, cm=1.0 * U.uF / U.cm2, rL=100 * U.Ohm * U.cm,
        tempK=TEMPERATURE_K * U.Kelvin,
    )
    decor.set_ion("na", rev_pot=(membrane.ena - membrane.shift) * U.mV)
    decor.set_ion("k", rev_pot=(membrane.ek - membrane.shift) * U.mV)
    decor.set_ion("ca", rev_pot=130 * U.mV, int_con=1e-4 * U.mM, ext_con=2 * U.mM)
    for mechanism in _mechanisms(membrane, area_um2 * 1e-8):
        decor.paint("(all)", mechanism)
    for envelope in currents:
        decor.place("(location 0 0.5)", arbor.i_clamp([(t * U.ms, pa * 1e-3 * U.nA) for t, pa in envelope]))
    return arbor.cable_cell(tree, decor, arbor.label_dict())


class _Recipe(arbor.recipe):
    def __init__(self, jobs):
        arbor.recipe.__init__(self)
        self.jobs = jobs
        self.properties = arbor.neuron_cable_properties()
        self.properties.catalogue = _catalogue()

    def num_cells(self):
        return len(self.jobs)

    def cell_kind(self, gid):
        return arbor.cell_kind.cable

    def cell_description(self, gid):
        return _cell(*self.jobs[gid])

    def global_properties(self, kind):
        return self.properties

    def probes(self, gid):
        return [arbor.cable_probe_membrane_voltage("(location 0 0.5)", "v")]


def step(onset: float, duration: float, pa: float) -> list[tuple[float, float]]:
    """A current step: onset and duration in ms, amplitude in pA.

    >>> step(10, 5, 50)
    [(10, 50), (15, 50), (15, 0.0)]
    """
    return [(onset, pa), (onset + duration, pa), (onset + duration, 0.0)]


def respond(jobs: Sequence[tuple[Membrane, Sequence]], duration: float, khz: float = 50.0,
            after_spike: float | None = None) -> np.ndarray:
    """Membrane potentials of many neurons, each with its own currents, advanced together.

    Parameters
    ----------
    jobs : (membrane, currents) per neuron; a current is a list of (ms, pA), linear in between
    duration : ms; ``khz``: samples per ms of the result
    after_spike : ms; end the run so long after the first neuron's first spike, or up to half a second later

    Returns potentials (mV, float32) of shape (jobs, duration x khz), fewer samples where a spike ended the run. One
    thread; the same input gives the same output on one kind of processor.

    >>> quiet = Membrane(capacitance=100, leak=5, rest=-70)
    >>> v = respond([(quiet, [step(0, 200, 10)])], 200)
    >>> v.shape, round(float(v[0, -1]), 2)
    ((1, 10000), -68.0)
    """
    recipe = _Recipe(list(jobs))
    context = arbor.context(threads=1)
    hint = {arbor.cell_kind.cable: arbor.partition_hint(cpu_group_size=GROUP)}
    simulation = arbor.simulation(recipe, context, arbor.partition_load_balance(recipe, context, hint))
    handles = [
        simulation.sample((gid, "v"), arbor.regular_schedule(1 / khz * U.ms)) for gid in range(recipe.num_cells())
    ]
    if after_spike is not None:
        duration = _run_past_spike(simulation, handles[0], jobs[0][0].shift, duration, after_spike)
    simulation.run(duration * U.ms, DT_MS * U.ms)
    samples = round(duration * khz)
    traces = [simulation.samples(handle)[0][0][:samples, 1] for handle in handles]
    shifts = [[membrane.shift] for membrane, _ in jobs]
    return (np.array(traces) + shifts).astype(np.float32)


def _run_past_spike(simulation, handle, shift: float, duration: float, after: float) -> float:
    """Advance chunk by chunk until a spike is ``after`` ms old; returns when the run ends (ms)."""
    for now in np.arange(CHUNK_MS, duration, CHUNK_MS):
        simulation.run(now * U.ms, DT_MS * U.ms)
        trace = simulation.samples(handle)[0][0]
        spikes = np.flatnonzero(trace[:, 1] + shift > SPIKE_MV)
        if len(spikes) and trace[spikes[0], 0] + after <= now:
            return float(now)
    return duration


def settled(membranes: Sequence[Membrane], duration: float = 1500.0) -> list[Membrane]:
    """The neurons, starting where they come to rest by themselves, so that sweeps begin without a drift.

    Arbor sets every gate to its steady state at the first potential; a silent run of ``duration`` ms finds it.
    A neuron that fires without current is left as it is.
    """
    ends = respond([(m, []) for m in membranes], duration, khz=10.0)[:, -2000:]
    return [
        replace(m, start=float(v[-1])) if np.ptp(v) < 1.0 else m for m, v in zip(membranes, ends, strict=True)
    ]
