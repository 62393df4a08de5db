"""Time the extraction of recordings against ipfx, in CPU seconds: the best of several turns counts.

First whole processes, each from its start to its end on one simulated file: `patchtype extract`, which measures
features and both kinds of families and writes its tables, and what ipfx's two scripts do. Then, as in a batch,
without the imports: the paper's families here, by a plain extraction over ipfx's own reader, and the floor: to open
the file, read the needed sweeps and filter each spiking one twice, as spike detection must. Beside it stands the same
by h5py and scipy alone, which look at nothing in the file but the samples.

    python benchmarks/extraction.py [--turns 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import h5py
import numpy as np
from ipfx import feature_extractor, stimulus_protocol_analysis
from ipfx.dataset.create import create_ephys_data_set
from ipfx.epochs import get_stim_epoch
from ipfx.time_series_utils import calculate_dvdt
from ipfx.utilities import drop_failed_sweeps
from scipy.signal import bessel, filtfilt
from scipy.stats import binned_statistic

from patchtype.recordings import extraction, nwb, protocols
from patchtype.recordings.cell import read_needed
from patchtype.recordings.commands import KINDS, named_kind
from patchtype.recordings.reading import recordings
from patchtype.simulation import cell as simulation

#: The most that a whole process may take of ipfx's faster script, and that a file may take in a batch of its floor.
PROCESS_GOAL = 0.5
GOALS = {"29 sweeps, plain": 1.4, "143 sweeps, MIES": 1.25}
#: ipfx's scripts by their functions, for on the command line they find recordings in their authors' database alone.
SCRIPTS = {
    "feature vectors": """
import sys
from ipfx.bin.run_feature_vector_extraction import run_feature_vector_extraction
path, out = sys.argv[1:]
run_feature_vector_extraction(
    output_dir=out, data_source="filesystem", output_code="ipfx", project=None, output_file_type="npy",
    sweep_qc_option="none", include_failed_cells=True, run_parallel=False, ap_window_length=0.003, ids=[path],
    file_list={path: path})
""",
    "feature collection": """
import sys
from ipfx.bin.run_feature_collection import run_feature_collection
path, out = sys.argv[1:]
run_feature_collection(ids=[path], output_file=out + "/ipfx.csv", run_parallel=False, data_source="filesystem",
                       file_list={path: path})
""",
}


def process_seconds(words: list[str]) -> float:
    """CPU seconds of a process and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def processes(folder: Path, turns: int) -> dict:
    """CPU seconds of whole processes on one file of the full protocol, and their ratio."""
    path = str(nwb.write(folder / "whole.nwb", simulation.cell("mouse", "Sst", seed=7)))
    rows = []
    for turn in range(turns):
        ours = ["-m", "patchtype", "extract", path, "--out", str(folder / f"out{turn}")]
        calls = [ours, *(["-c", script, path, str(folder)] for script in SCRIPTS.values())]
        rows.append([process_seconds(words) for words in calls])
        if not (np.load(folder / f"out{turn}" / "families_official.npz")["first_ap_v"] > 0).any():
            raise RuntimeError("found no families, expected those that ipfx's script makes of the same file")
    here, *theirs = np.min(rows, axis=0)
    return {"here_s": here, **dict(zip(SCRIPTS, theirs, strict=True)), "ratio": here / min(theirs)}


def plain(path: str) -> dict[str, np.ndarray]:
    """The steps of the paper's notebook with ipfx's own reader and extractors."""
    dataset = create_ephys_data_set(path)
    drop_failed_sweeps(dataset)
    analysed = {}
    for kind, names, analysis, options in (
        ("long", dataset.ontology.long_square_names, stimulus_protocol_analysis.LongSquareAnalysis,
         {"subthresh_min_amp": -100.0}),
        ("short", dataset.ontology.short_square_names, stimulus_protocol_analysis.ShortSquareAnalysis, {}),
        ("ramp", dataset.ontology.ramp_names, stimulus_protocol_analysis.RampAnalysis, {}),
    ):
        sweeps = dataset.sweep_set(dataset.filtered_sweep_table(stimuli=names).sweep_number)
        sweeps.select_epoch("recording")
        sweeps.align_to_start_of_epoch("experiment")
        first = sweeps.sweeps[0]
        a, b = get_stim_epoch(first.i)
        start, end = first.t[a], None if kind == "ramp" else first.t[b]
        spikes = feature_extractor.SpikeFeatureExtractor(start=start, end=end)
        trains = feature_extractor.SpikeTrainFeatureExtractor(start=start, end=end)
        try:
            features = analysis(spikes, trains, **options).analyze(sweeps)
        except Exception as error:  # noqa: BLE001 - the notebook, too, goes on without the protocol
            features = error
        analysed[kind] = sweeps, start, end, features
    return families(*analysed["long"])


#: Family → ipfx's column, of the features of single spikes that are followed through a train.
COLUMNS = {"spiking_threshold_v": "threshold_v", "spiking_peak_v": "peak_v", "spiking_width": "width",
           "spiking_fast_trough_v": "fast_trough_v", "spiking_upstroke_downstroke_ratio": "upstroke_downstroke_ratio"}


def families(sweeps, start: float, end: float, features: dict) -> dict[str, np.ndarray]:
    """The paper's twelve families from the spikes of the long squares, each after its definition and in plain numpy."""
    table, spikes = features["sweeps"], features["spikes_set"]
    rheobase = features["rheobase_sweep"].name
    first = int(spikes[rheobase]["threshold_index"].iloc[0])
    shape = sweeps.sweeps[rheobase].v[first:first + 150]  # 3 ms at 50 kHz
    found = {"first_ap_v": shape, "first_ap_dv": np.diff(shape), "isi_shape": intervals(sweeps, table, spikes, end)}

    # The smallest step that fires, and those 40 and 80 pA above it, to 5 pA.
    above = {}
    for k, row in table[table["avg_rate"] > 0].iterrows():
        above.setdefault(round(row["stim_amp"] - features["rheobase_i"]), k)
    trains = [next((spikes[k] for pa, k in above.items() if abs(pa - level) <= 5), None) for level in (0, 40, 80)]
    found["psth"] = joined([None if s is None else counts(s, start, end) for s in trains])
    found["inst_freq"] = joined([None if s is None else binned(*frequency(s["threshold_t"].to_numpy(), start, end),
                                                               start, end) for s in trains])
    for family, column in COLUMNS.items():
        kept = [None if s is None else s[~s["clipped"].to_numpy(bool)] for s in trains]
        found[family] = joined([None if s is None else binned(s[column].to_numpy(), s["threshold_t"].to_numpy(),
                                                              start, end) for s in kept])

    # Silent steps down, 0.2 s before to 0.2 s after, in means of 10 ms.
    silent = table[(table["avg_rate"] == 0) & (table["stim_amp"] < 0)]
    down = {round(pa): k for k, pa in silent["stim_amp"].items()}
    means = {pa: of_10_ms(sweeps.sweeps[k], start, end) for pa, k in down.items()}
    found["step_subthresh"] = np.concatenate([at_height(means, pa) for pa in (-30, -50, -90)])
    nearest = min(means, key=lambda pa: abs(pa + 110))
    row = table.loc[down[nearest]]
    found["subthresh_norm"] = (means[nearest] - row["v_baseline"]) / (row["v_baseline"] - row["peak_deflect"][0])
    return found


def intervals(sweeps, table, spikes: list, end: float) -> np.ndarray:
    """Potential from trough to threshold in 100 means, above threshold, over all intervals of one sweep.

    The sweep is that of the smallest step with five spikes, else the one with most.
    """
    firing = table[(table["avg_rate"] > 0) & (table["stim_amp"] > 0)]
    several = [k for k in firing.index if len(spikes[k]) >= 5]
    k = firing.loc[several, "stim_amp"].idxmin() if several else max(firing.index, key=lambda k: len(spikes[k]))
    train, v = spikes[k], sweeps.sweeps[k].v
    parts = []
    for n in range(len(train) - 1):
        trough, threshold = int(train["fast_trough_index"].iloc[n]), int(train["threshold_index"].iloc[n + 1])
        width = (threshold - trough) // 100
        if width:
            part = v[trough:trough + 100 * width].reshape(100, width).mean(axis=1)
            parts.append(part - train["threshold_v"].iloc[n])
    return np.mean(parts, axis=0)


def edges(start: float, end: float) -> np.ndarray:
    """Ends of the bins of 20 ms that fit, stretched over the step."""
    n = int((round(end, 3) - round(start, 3)) / 0.001) // 20
    return np.linspace(start, end, n + 1)


def counts(train, start: float, end: float) -> np.ndarray:
    """Spikes per second in each bin."""
    bins = edges(start, end)
    return np.histogram(train["threshold_t"], bins)[0] / (bins[1] - bins[0])


def binned(values: np.ndarray, times: np.ndarray, start: float, end: float) -> np.ndarray:
    """Mean in each bin; between the bins that have one, a line."""
    means = binned_statistic(times, values, bins=edges(start, end))[0]
    known = np.flatnonzero(~np.isnan(means))
    return np.interp(np.arange(len(means)), known, means[known])


def frequency(times: np.ndarray, start: float, end: float) -> tuple[np.ndarray, np.ndarray]:
    """Rate at the start, at each spike and at the end: the inverse of the mean of the intervals on both sides."""
    between = np.diff(np.r_[start, times])
    between = np.r_[between, max(between[-1], end - times[-1])]
    sides = np.r_[between[0], (between[:-1] + between[1:]) / 2, between[-1]]
    return 1 / sides, np.r_[start, times, end]


def joined(parts: list) -> np.ndarray:
    """The levels one after the other; a missing one is the mean of its neighbours, or the nearest."""
    known = [k for k, part in enumerate(parts) if part is not None]
    out = []
    for k, part in enumerate(parts):
        below, over = [j for j in known if j < k], [j for j in known if j > k]
        sides = [parts[j] for j in (*below[-1:], *over[:1])]
        out.append(np.mean(sides, axis=0) if part is None else part)
    return np.concatenate(out)


def of_10_ms(sweep, start: float, end: float) -> np.ndarray:
    """Means of 10 ms, the last one only if it is whole."""
    first, last = (int(np.argmax(sweep.t >= t)) for t in (start - 0.2, end + 0.2))
    width = round(0.01 / (sweep.t[1] - sweep.t[0]))
    n = (last - first) // width
    return sweep.v[first:first + n * width].reshape(n, width).mean(axis=1)


def at_height(means: dict[int, np.ndarray], pa: int) -> np.ndarray:
    """The response to a step of that height, or those to the next ones, scaled by the height."""
    if pa in means:
        return means[pa]
    below, over = [a for a in means if a < pa], [a for a in means if a > pa]
    sides = [*([max(below)] if below else []), *([min(over)] if over else [])]
    response = np.mean([means[a] for a in sides], axis=0)
    base, last = response[:20].mean(), -20 if len(sides) == 2 else None  # after the step only one side is scaled
    response[20:last] = (response[20:last] - base) * (pa / np.mean(sides)) + base
    return response


def fast(path: str) -> dict[str, np.ndarray]:
    """The same families by `patchtype.recordings`."""
    with recordings(path) as cells:
        ready = protocols.Prepared(read_needed(cells[0], None))
    checked = protocols.check_sweeps(ready)
    usable = ready.only(checked.loc[checked["tags"].map(len) == 0, "position"])
    return extraction.paper_families(extraction.analyze_long_squares(usable)).values


def floor(path: str) -> None:
    """Find and read the needed sweeps and filter the spiking ones, nothing else."""
    with recordings(path) as cells:
        for sweep in cells[0].sweeps:
            if named_kind(sweep.stimulus_name) in KINDS and sweep.v_mv.max() > -30:
                t = np.arange(len(sweep.v_mv)) / sweep.rate
                calculate_dvdt(sweep.v_mv, t, 10.0)
                calculate_dvdt(sweep.v_mv, t, 1.0)


def bare(path: str) -> None:
    """The samples and the filter of `floor`, without a look at what they are."""
    with h5py.File(path) as file:
        for name, series in file["acquisition"].items():
            if named_kind(series.attrs["stimulus_description"]) in KINDS:
                command = file["stimulus/presentation"][name.replace("AD", "DA")]["data"]
                v, _ = (each[()] * each.attrs["conversion"] for each in (series["data"], command))
                if v.max() > -0.03:
                    for cutoff in (10e3, 1e3):
                        filtfilt(*bessel(4, cutoff / (protocols.RATE / 2)), v)


def cpu_seconds(function, path: str) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    function(path)
    return time.process_time() - start


def repeated(sweeps: list[nwb.RawSweep], n: int) -> list[nwb.RawSweep]:
    """The sweeps over and over until there are ``n``, as a cell with many repeats has them."""
    return [sweeps[k % len(sweeps)] for k in range(n)]


def files(folder: Path) -> dict[str, str]:
    """The two benchmark files, made from one simulated cell: 116 of the 143 sweeps belong to the protocols."""
    sweeps = simulation.cell("mouse", "Sst", seed=7)
    chirp = nwb.RawSweep("X8_CHIRP_DA_0", sweeps[0].i_pa, sweeps[0].v_mv)
    return {
        "29 sweeps, plain": str(nwb.write(folder / "29.nwb", repeated(sweeps, 29))),
        "143 sweeps, MIES": str(nwb.write(folder / "143.nwb", [*repeated(sweeps, 116), *[chirp] * 27], mies=True)),
    }


def main(argv: list[str] | None = None) -> int:
    """Print each measure beside its goal; the exit code is 1 when results differ or a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    args = parser.parse_args(argv)
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    rows, failed = [], False
    with tempfile.TemporaryDirectory() as folder:
        whole = processes(Path(folder), args.turns)
        met = whole["ratio"] <= PROCESS_GOAL
        theirs = ", ".join(f"ipfx's {name} {whole[name]:.2f} s" for name in SCRIPTS)
        print(f"whole processes: patchtype extract {whole['here_s']:.2f} s, {theirs}; {whole['ratio']:.2f} of the "
              f"faster, goal {PROCESS_GOAL:g}: {'met' if met else 'missed'}", flush=True)
        failed |= not met
        for name, path in files(Path(folder)).items():
            expected, found = plain(path), fast(path)
            same = expected.keys() == found.keys() and all(
                np.allclose(expected[k], found[k], rtol=1e-5, atol=1e-5) for k in expected)
            turns = [[cpu_seconds(f, path) for f in (plain, fast, floor, bare)] for _ in range(args.turns)]
            slow, quick, least, samples = np.min(turns, axis=0)
            with h5py.File(path) as file:
                size = Path(path).stat().st_size / 1e6, len(file["acquisition"])
            rows.append({"file": name, "MB": round(size[0], 1), "sweeps": size[1], "families": len(found),
                         "plain_s": slow, "here_s": quick, "floor_s": least, "bare_s": samples,
                         "of_floor": quick / least, "equal": same})
            verdict = "met" if quick / least <= GOALS[name] else "missed"
            print(f"{name}: {size[0]:.1f} MB, {size[1]} sweeps; plain {slow:.2f} s, here {quick:.2f} s "
                  f"({slow / quick:.1f} times faster), floor {least:.2f} s ({samples:.2f} s bare); "
                  f"{quick / least:.2f} of the floor, goal {GOALS[name]:g}: {verdict}; "
                  f"{'equal' if same else 'DIFFERENT'} results in {len(found)} families", flush=True)
            failed |= not same or quick / least > GOALS[name]
    if args.json:
        args.json.write_text(json.dumps({"processes": whole, "files": rows}, indent=1))
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
