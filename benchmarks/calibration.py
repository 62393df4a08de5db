"""Fit the prototype of one simulated class to the medians of real cells by CMA-ES.

Starts from the prototype in ``populations.toml`` (or that of another class) and prints the better one as TOML,
to be reviewed and put there by hand. About two minutes on one core.

    pip install cma
    python benchmarks/calibration.py mouse Sst [--generations 45] [--start mouse Vip] [--set Ih=1e-4]
"""

from __future__ import annotations

import argparse
import logging
import warnings
from dataclasses import replace

import cma
import numpy as np
from ipfx import subthresh_features
from ipfx.feature_extractor import SpikeTrainFeatureExtractor

from helpers.recordings import simulation
from helpers.recordings.membrane import CHANNELS, Membrane, respond, settled, step
from helpers.recordings.spikes import SpikeExtractor

KHZ = 50
BEFORE, DURING, AFTER = 0.15, 1.0, 0.03  # s
#: What a deviation of one unit of loss is: relative for the first, absolute (in the feature's unit) for the second.
RELATIVE = {"ri": 0.1, "tau": 0.1, "rheobase": 0.2, "fi_slope": 0.25, "latency": 0.7, "ud_ratio": 0.15, "width": 0.15}
ABSOLUTE = {"sag": 0.03, "vrest": 2.0, "adaptation": 0.012, "peak_v": 4.0, "fast_trough_v": 3.0, "threshold_v": 3.0}
MISSING = 30.0  # loss of a feature that does not exist
#: Bounds of the search; densities and the calcium decay are searched in the logarithm.
BOUNDS = {
    "rest": (-82, -50), "shift": (0, 30), "ena": (25, 70), "ek": (-95, -42), "kv3_shift": (-15, 20),
    "kt_shift": (-30, 10), "calcium_decay": (20, 500), "NaV": (0.01, 0.6), "Kv3_1": (5e-3, 2.0), "Kd": (1e-6, 2e-2),
    "Kv2like": (1e-6, 8e-2), "Im_v2": (1e-6, 1e-2), "Ih": (1e-7, 3e-3), "K_T": (1e-6, 0.08), "SK": (1e-6, 2e-2),
    "Ca_HVA": (1e-6, 1e-3), "Nap": (1e-7, 1e-3),
}
LOGARITHMIC = {*CHANNELS, "calcium_decay"}


def bounds(target: dict) -> dict[str, tuple[float, float]]:
    """`BOUNDS`, with capacitance and leak around what resistance and time constant ask for."""
    leak, capacitance = 1e3 / target["ri"], 1e3 * target["tau"] / target["ri"]
    return {"capacitance": (0.5 * capacitance, 2 * capacitance), "leak": (0.25 * leak, 2 * leak), **BOUNDS}


def encoded(membrane: Membrane, limits: dict) -> np.ndarray:
    """A neuron as a point of the unit cube."""
    x = []
    for name, (low, high) in limits.items():
        value = membrane.densities.get(name, low) if name in CHANNELS else getattr(membrane, name)
        if name in LOGARITHMIC:
            low, high, value = np.log(low), np.log(high), np.log(max(value, low))
        x.append((value - low) / (high - low))
    return np.clip(x, 0.02, 0.98)


def decoded(x: np.ndarray, limits: dict) -> Membrane:
    """The neuron at a point of the unit cube."""
    values = {}
    for u, (name, (low, high)) in zip(np.clip(x, 0, 1), limits.items(), strict=True):
        values[name] = float(low * (high / low) ** u if name in LOGARITHMIC else low + u * (high - low))
    densities = {name: values.pop(name) for name in CHANNELS}
    return Membrane(**values, densities=densities)


def measured(traces: np.ndarray, amplitudes: list[float]) -> dict[str, float]:
    """Features of one neuron from its responses (mV); the first two amplitudes (pA) are negative."""
    t = np.arange(traces.shape[1]) / (1e3 * KHZ)
    start, end = BEFORE, BEFORE + DURING
    currents = [np.where((t >= start) & (t < end), pa, 0.0) for pa in amplitudes]
    v = traces.astype(float)
    low = [subthresh_features.voltage_deflection(t, v[k], currents[k], start, end, "min")[0] for k in (0, 1)]
    found = {
        "vrest": subthresh_features.baseline_voltage(t, v[0], start),
        "sag": subthresh_features.sag(t, v[0], currents[0], start, end),
        "tau": 1e3 * subthresh_features.time_constant(t, v[1], currents[1], start, end, min_snr=2.0),
        "ri": 1e3 * (low[1] - low[0]) / (amplitudes[1] - amplitudes[0]),
    }
    extractor = SpikeExtractor(start=start, end=end)
    trains = [extractor.process(t, v[k], currents[k]) for k in range(2, len(amplitudes))]
    spiking = [k for k, spikes in enumerate(trains) if len(spikes)]
    if not spiking:
        return found
    first, hero = trains[spiking[0]].iloc[0], spiking[min(1, len(spiking) - 1)]
    positive = np.array(amplitudes[2:])
    rates = np.array([len(spikes) / DURING for spikes in trains])
    train = SpikeTrainFeatureExtractor(start, end).process(t, v[hero + 2], currents[hero + 2], trains[hero])
    return found | {
        "rheobase": positive[spiking[0]], "latency": first["threshold_t"] - start, "width": 1e3 * first["width"],
        "ud_ratio": first["upstroke_downstroke_ratio"], "peak_v": first["peak_v"],
        "fast_trough_v": first["fast_trough_v"], "threshold_v": first["threshold_v"], "adaptation": train["adapt"],
        "fi_slope": np.polyfit(positive[spiking], rates[spiking], 1)[0] if len(spiking) > 1 else np.nan,
    }


def loss(found: dict, target: dict) -> float:
    """Distance of a neuron from the medians: sum of deviations in units of tolerance, to the power 1.2."""
    total = 0.0
    for name, tolerance in (RELATIVE | ABSOLUTE).items():
        value = found.get(name, np.nan)
        if not np.isfinite(value):
            total += MISSING
        else:
            away = np.log(max(value, 1e-3) / target[name]) if name in RELATIVE else value - target[name]
            total += min(abs(away) / tolerance, 25.0) ** 1.2
    return total


def fit(start: Membrane, target: dict, generations: int, seed: int) -> tuple[Membrane, dict, float]:
    """The best neuron found, its features and its loss."""
    limits = bounds(target)
    rheobase = 1.05 * target["rheobase"]
    amplitudes = [-90.0 if rheobase > 60 else -50.0, -30.0, 0.76 * rheobase, rheobase, rheobase + 40, rheobase + 80]
    duration = 1e3 * (BEFORE + DURING + AFTER)
    rng = np.random.default_rng(seed)
    noise = [simulation.synaptic_noise(duration, rng, sd=simulation.NOISE_PA) for _ in amplitudes]
    search = cma.CMAEvolutionStrategy(
        encoded(start, limits), 0.15, {"bounds": [0, 1], "popsize": 12, "seed": seed + 1, "verbose": -9}
    )
    best = start, {}, np.inf
    for _ in range(generations):
        points = search.ask()
        neurons = [decoded(x, limits) for x in points]
        currents = [[step(1e3 * BEFORE, 1e3 * DURING, pa), noise[k]] for k, pa in enumerate(amplitudes)]
        jobs = [(neuron, injected) for neuron in settled(neurons) for injected in currents]
        traces = respond(jobs, duration, KHZ).reshape(len(neurons), len(amplitudes), -1)
        losses = []
        for neuron, responses in zip(neurons, traces, strict=True):
            try:
                found = measured(responses, amplitudes)
            except Exception:  # noqa: BLE001 - a point of the search may be no neuron at all
                found = {}
            losses.append(loss(found, target))
            if losses[-1] < best[2]:
                best = neuron, found, losses[-1]
        search.tell(points, losses)
    return best


def main(argv: list[str] | None = None) -> int:
    """Print the fitted prototype as TOML and, as comments, how near it came."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("species")
    parser.add_argument("subclass")
    parser.add_argument("--generations", type=int, default=45)
    parser.add_argument("--start", nargs=2, metavar=("SPECIES", "SUBCLASS"), help="begin with this prototype")
    parser.add_argument("--set", action="append", default=[], metavar="CHANNEL=DENSITY", help="and this density")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    start = simulation.prototype(*(args.start or (args.species, args.subclass)))
    given = {name: float(value) for name, value in (pair.split("=") for pair in args.set)}
    target = simulation.populations()[args.species][args.subclass]["target"]
    neuron, found, left = fit(replace(start, densities=start.densities | given), target, args.generations, args.seed)
    key = f"{args.species}.{args.subclass}.prototype"
    print(f"# loss {left:.1f}")
    for name in target:
        print(f"# {name}: {found.get(name, np.nan):.4g}, real median {target[name]:.4g}")
    print(f"[{key}]", *(f"{k} = {getattr(neuron, k):.5g}" for k in bounds(target) if k not in CHANNELS), sep="\n")
    print(f"\n[{key}.densities]", *(f"{k} = {v:.4g}" for k, v in neuron.densities.items()), sep="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
