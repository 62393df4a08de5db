"""Time the extraction of the paper's families against a plain one over ipfx's own reader.

Both run in this process on the same files, in turns, and are timed in CPU seconds; the best of the turns
counts. Printed beside them is the floor: reading the needed sweeps from HDF5 and filtering each spiking
sweep twice, as spike detection must.

    python benchmarks/extraction.py [--turns 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import logging
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

from patchtype.recordings import extraction, nwb, protocols
from patchtype.recordings.commands import KINDS, named_kind
from patchtype.recordings.reading import recordings
from patchtype.simulation import cell as simulation

GOALS = {"29 sweeps, plain": 3.0, "143 sweeps, MIES": 6.0}


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
    sweeps, start, end, features = analysed["long"]
    protocol = protocols.Window(sweeps, [], start, end)
    return extraction.paper_families(extraction.LongSquares(protocol, features)).values


def fast(path: str) -> dict[str, np.ndarray]:
    """The same families by `patchtype.recordings`."""
    with recordings(path) as cells:
        ready = protocols.Prepared(cells[0].read())
    checked = protocols.check_sweeps(ready)
    usable = ready.only(checked.loc[checked["tags"].map(len) == 0, "position"])
    return extraction.paper_families(extraction.analyze_long_squares(usable)).values


def floor(path: str) -> None:
    """Read the needed sweeps and filter the spiking ones, nothing else."""
    with recordings(path) as cells:
        for sweep in cells[0].sweeps:
            if named_kind(sweep.stimulus_name) in KINDS and sweep.v_mv.max() > -30:
                t = np.arange(len(sweep.v_mv)) / sweep.rate
                calculate_dvdt(sweep.v_mv, t, 10.0)
                calculate_dvdt(sweep.v_mv, t, 1.0)


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
    """Print one row per file; the exit code is 1 when results differ or a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    args = parser.parse_args(argv)
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    rows, failed = [], False
    with tempfile.TemporaryDirectory() as folder:
        for name, path in files(Path(folder)).items():
            expected, found = plain(path), fast(path)
            same = expected.keys() == found.keys() and all(np.array_equal(expected[k], found[k]) for k in expected)
            turns = [[cpu_seconds(f, path) for f in (plain, fast, floor)] for _ in range(args.turns)]
            slow, quick, least = np.min(turns, axis=0)
            with h5py.File(path) as file:
                size = Path(path).stat().st_size / 1e6, len(file["acquisition"])
            rows.append({"file": name, "MB": round(size[0], 1), "sweeps": size[1], "families": len(found),
                         "plain_s": slow, "here_s": quick, "floor_s": least, "ratio": slow / quick, "identical": same})
            print(f"{name}: {size[0]:.1f} MB, {size[1]} sweeps; plain {slow:.2f} s, here {quick:.2f} s "
                  f"({slow / quick:.1f} times faster, goal {GOALS[name]:g}), floor {least:.2f} s; "
                  f"{'identical' if same else 'DIFFERENT'} results in {len(found)} families", flush=True)
            failed |= not same or slow / quick < GOALS[name]
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
