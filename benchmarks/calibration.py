"""Fit the prototype of one simulated class to the medians of real cells by CMA-ES.

Starts from the prototype in ``populations.toml`` (or that of another class) and prints the better one as TOML,
to be reviewed and put there by hand. About three minutes on one core.

    pip install cma
    python benchmarks/calibration.py mouse Sst [--generations 45] [--start mouse Vip] [--set Ih=1e-4]
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from dataclasses import replace

import cma
import numpy as np
import pandas as pd
from ipfx import subthresh_features
from ipfx.feature_extractor import SpikeTrainFeatureExtractor

from patchtype.cohorts import load
from patchtype.cohorts.comparison import HIGH, LOW
from patchtype.recordings.spikes import SpikeExtractor
from patchtype.simulation import cell as simulation
from patchtype.simulation.membrane import CHANNELS, Membrane, respond, settled, step

KHZ = 50
BEFORE, DURING, AFTER = 0.15, 1.0, 0.03  # s
SHORT_ONSET, SHORT_DURATION = 20.0, 45.0  # ms, of the sweeps with a short step
#: What each feature counts. Those that say the same thing in several ways share their weight.
WEIGHTS = {
    "v_baseline": 0.7, "input_resistance": 1.0, "tau": 1.0, "sag": 1.0, "rheobase_i": 1.0, "fi_fit_slope": 0.7,
    "latency_rheo": 0.4, "adapt_hero": 1.0, "mean_isi_hero": 0.4, "median_isi_hero": 0.4, "avg_rate_hero": 0.7,
    "isi_cv_hero": 0.4, "first_isi_inv_hero": 0.7, "upstroke_downstroke_ratio_rheo": 1.4, "threshold_v_rheo": 1.0,
    "peak_deltav_rheo": 0.8, "width_rheo": 0.8, "fast_trough_deltav_rheo": 0.8, "trough_deltav_rheo": 0.5,
    "trough_slowdeltav_rheo": 0.3, "upstroke_downstroke_ratio_short_square": 0.4, "threshold_v_short_square": 0.5,
    "peak_deltav_short_square": 0.3, "fast_trough_deltav_short_square": 0.4,
}
HERO = 40.0  # pA above rheobase
MISSING = 8.0  # loss of a feature that does not exist
FARTHEST = 6.0  # half ranges beyond which a feature is as bad as it can be
#: Bounds of the search; densities and the calcium decay are searched in the logarithm.
BOUNDS = {
    "rest": (-82, -50), "shift": (0, 30), "ena": (25, 70), "ek": (-95, -42), "kv3_shift": (-15, 20),
    "kt_shift": (-30, 30), "calcium_decay": (20, 500), "NaV": (0.01, 0.6), "Kv3_1": (5e-3, 2.0), "Kd": (1e-6, 2e-2),
    "Kv2like": (1e-6, 8e-2), "Im_v2": (1e-6, 1e-2), "Ih": (1e-7, 3e-3), "K_T": (1e-6, 0.08), "SK": (1e-6, 2e-2),
    "Ca_HVA": (1e-6, 1e-3), "Nap": (1e-7, 1e-3),
}
LOGARITHMIC = {*CHANNELS, "calcium_decay"}


def targets(species: str, subclass: str) -> pd.DataFrame:
    """Median and 10th and 90th percentile (columns ``median``, ``low``, ``high``) of real cells by feature."""
    cohort = load(species, "aligned")
    table = cohort.table.loc[cohort.cells["subclass"] == subclass, list(WEIGHTS)]
    return table.quantile([LOW, 0.5, HIGH]).T.set_axis(["low", "median", "high"], axis="columns")


def bounds(target: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """`BOUNDS`, with capacitance and leak around what resistance and time constant ask for."""
    ri, tau = target.loc["input_resistance", "median"], 1e3 * target.loc["tau", "median"]
    leak, capacitance = 1e3 / ri, 1e3 * tau / ri
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
    """Features of one neuron from its long squares (mV); the first two amplitudes (pA) are negative.

    Names and units are those of `patchtype.families.features`.
    """
    t = np.arange(traces.shape[1]) / (1e3 * KHZ)
    start, end = BEFORE, BEFORE + DURING
    currents = [np.where((t >= start) & (t < end), pa, 0.0) for pa in amplitudes]
    v = traces.astype(float)
    low = [subthresh_features.voltage_deflection(t, v[k], currents[k], start, end, "min")[0] for k in (0, 1)]
    found = {
        "v_baseline": subthresh_features.baseline_voltage(t, v[0], start),
        "sag": subthresh_features.sag(t, v[0], currents[0], start, end),
        "tau": subthresh_features.time_constant(t, v[1], currents[1], start, end, min_snr=2.0),
        "input_resistance": 1e3 * (low[1] - low[0]) / (amplitudes[1] - amplitudes[0]),
    }
    extractor = SpikeExtractor(start=start, end=end)
    trains = [extractor.process(t, v[k], currents[k]) for k in range(2, len(amplitudes))]
    spiking = [k for k, spikes in enumerate(trains) if len(spikes)]
    if not spiking:
        return found
    first, positive = trains[spiking[0]].iloc[0], np.array(amplitudes[2:])
    rates = np.array([len(spikes) / DURING for spikes in trains])
    above = [k for k in spiking if positive[k] - positive[spiking[0]] >= HERO]
    found |= {"rheobase_i": positive[spiking[0]], "latency_rheo": first["threshold_t"] - start,
              "width_rheo": first["width"], "threshold_v_rheo": first["threshold_v"],
              "trough_slowdeltav_rheo": first["trough_v"] - first["fast_trough_v"], **shape(first, "rheo"),
              "trough_deltav_rheo": first["trough_v"] - first["threshold_v"]}
    if len(spiking) > 1:
        found["fi_fit_slope"] = np.polyfit(positive[spiking], rates[spiking], 1)[0]
    if above:
        hero = above[0]
        train = SpikeTrainFeatureExtractor(start, end).process(t, v[hero + 2], currents[hero + 2], trains[hero])
        found |= {f"{name}_hero": train[name] for name in ("mean_isi", "median_isi", "isi_cv", "avg_rate")}
        found |= {"adapt_hero": train["adapt"], "first_isi_inv_hero": 1 / train["first_isi"]}
    return found


def shape(spike: pd.Series, protocol: str) -> dict[str, float]:
    """Ratio of upstroke and downstroke, and peak and fast trough (mV) from the threshold of a spike."""
    return {f"upstroke_downstroke_ratio_{protocol}": spike["upstroke_downstroke_ratio"],
            f"peak_deltav_{protocol}": spike["peak_v"] - spike["threshold_v"],
            f"fast_trough_deltav_{protocol}": spike["fast_trough_v"] - spike["threshold_v"]}


def measured_short(traces: np.ndarray) -> dict[str, float]:
    """Features of the first spike that a step of 3 ms gives (mV); amplitudes are `simulation.SHORT_AMPLITUDES`."""
    spiking = np.flatnonzero(traces[:, round(SHORT_ONSET * KHZ):].max(axis=1) > simulation.SPIKE_MV)
    if not len(spiking):
        return {}
    t = np.arange(traces.shape[1]) / (1e3 * KHZ)
    spikes = SpikeExtractor(start=1e-3 * SHORT_ONSET).process(t, traces[spiking[0]].astype(float), np.zeros(len(t)))
    if not len(spikes):
        return {}
    first = spikes.iloc[0]
    return {"threshold_v_short_square": first["threshold_v"], **shape(first, "short_square")}


def deviations(found: dict, target: pd.DataFrame) -> pd.Series:
    """Distance of each feature from the median in halves of the real range, on the side where it lies."""
    away = pd.Series(found, dtype=float).reindex(target.index) - target["median"]
    half = (target["high"] - target["median"]).where(away > 0, target["median"] - target["low"])
    return (away / np.maximum(half, 0.2 * (target["high"] - target["low"]))).clip(-FARTHEST, FARTHEST)


def loss(found: dict, target: pd.DataFrame) -> float:
    """Distance of a neuron from the medians: weighted sum of `deviations` to the power 1.5."""
    away = (deviations(found, target).abs() ** 1.5).fillna(MISSING)
    return float((away * pd.Series(WEIGHTS)).sum())


def responses(neurons: list[Membrane], amplitudes: list[float], noise: list) -> list[dict]:
    """Features of every neuron from simulated long and short squares; empty for what is no neuron."""
    rested = settled(neurons)
    long, short = 1e3 * (BEFORE + DURING + AFTER), SHORT_DURATION
    currents = [[step(1e3 * BEFORE, 1e3 * DURING, pa), noise[k]] for k, pa in enumerate(amplitudes)]
    pulses = [[step(SHORT_ONSET, simulation.SHORT, pa)] for pa in simulation.SHORT_AMPLITUDES]
    squares = respond([(neuron, injected) for neuron in rested for injected in currents], long, KHZ)
    shorts = respond([(neuron, injected) for neuron in rested for injected in pulses], short, KHZ)
    results = []
    for a, b in zip(np.split(squares, len(neurons)), np.split(shorts, len(neurons)), strict=True):
        try:
            results.append(measured(a, amplitudes) | measured_short(b))
        except Exception:  # noqa: BLE001 - a point of the search may be no neuron at all
            results.append({})
    return results


def fit(start: Membrane, target: pd.DataFrame, generations: int, seed: int) -> tuple[Membrane, dict, float]:
    """The best neuron found, its features and its loss."""
    limits = bounds(target)
    rheobase = 1.05 * target.loc["rheobase_i", "median"]
    amplitudes = [-90.0 if rheobase > 60 else -50.0, -30.0, 0.76 * rheobase, rheobase, rheobase + HERO,
                  rheobase + 2 * HERO]
    rng = np.random.default_rng(seed)
    duration = 1e3 * (BEFORE + DURING + AFTER)
    sd = [simulation.NOISE_PA * (simulation.DEPOLARIZED_NOISE if pa > 0 else 1.0) for pa in amplitudes]
    noise = [simulation.synaptic_noise(duration, rng, one) for one in sd]
    search = cma.CMAEvolutionStrategy(
        encoded(start, limits), 0.12, {"bounds": [0, 1], "popsize": 14, "seed": seed + 1, "verbose": -9}
    )
    found = responses([start], amplitudes, noise)[0]
    best = start, found, loss(found, target)
    for generation in range(generations):
        points = search.ask()
        neurons = [decoded(x, limits) for x in points]
        each = responses(neurons, amplitudes, noise)
        losses = [loss(found, target) for found in each]
        k = int(np.argmin(losses))
        if losses[k] < best[2]:
            best = neurons[k], each[k], losses[k]
        if generation % 10 == 0:
            print(f"# generation {generation}: loss {best[2]:.1f}", file=sys.stderr, flush=True)
        search.tell(points, losses)
    return best


def main(argv: list[str] | None = None) -> int:
    """Print the fitted prototype as TOML and, as comments, how near it came."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("species")
    parser.add_argument("subclass")
    parser.add_argument("--generations", type=int, default=45)
    parser.add_argument("--start", nargs=2, metavar=("SPECIES", "SUBCLASS"), help="begin with this prototype")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="with this density or value")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    start = simulation.prototype(*(args.start or (args.species, args.subclass)))
    given = {name: float(value) for name, value in (pair.split("=") for pair in args.set)}
    target = targets(args.species, args.subclass)
    densities = {name: given.pop(name) for name in list(given) if name in CHANNELS}
    start = replace(start, densities=start.densities | densities, **given)
    neuron, found, left = fit(start, target, args.generations, args.seed)
    key = f"{args.species}.{args.subclass}.prototype"
    print(f"# loss {left:.1f}")
    for name, away in deviations(found, target).items():
        print(f"# {name}: {found.get(name, np.nan):.4g}, real {target.loc[name, 'median']:.4g}, {away:.1f} half ranges")
    print(f"[{key}]", *(f"{k} = {getattr(neuron, k):.5g}" for k in bounds(target) if k not in CHANNELS), sep="\n")
    print(f"\n[{key}.densities]", *(f"{k} = {v:.4g}" for k, v in neuron.densities.items()), sep="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
