"""Compare our features of real step recordings with eFEL and with values computed by plain numpy from the raw samples.

    python benchmarks/field.py FOLDER [--out book/fragments/field.md]

FOLDER holds ``recordings/*.abf`` and ``reference.json`` (recording → name → value). eFEL reads the same raw samples,
at the windows and amplitudes that were recognised. Definitions that differ honestly have a wider tolerance and a
reason; the exit code is 1 when a value lies outside its own.
"""

from __future__ import annotations

import argparse
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from patchtype.files import write_bytes
from patchtype.recordings.cell import Cell, extract

SNR = "ipfx takes a response only if it is 20 times above the noise, the reference takes each"


@dataclass(frozen=True)
class Comparison:
    """One feature and its counterparts. ``per``: ours times this is in their unit; tolerances: relative, or ``mv``.

    ``reference``: key of ``reference.json``; ``efel``: key of `by_efel`; None where they have no such thing.
    """

    feature: str
    reference: str | None
    efel: str | None
    per: float = 1.0
    relative: float = 0.01
    mv: float = 0.0
    efel_relative: float | None = None
    efel_mv: float | None = None
    why: str = ""
    apart: str = ""  # recording in which eFEL's value is not meant, see `APART`


APART = ("in 190619B_0003 the potential wavers around the level whose crossings eFEL counts (-10 mV) in strong steps, "
         "and its first downstroke there is no fall at all")
COMPARISONS = (
    Comparison("v_baseline", "rest", "voltage_base", mv=0.05, relative=0, efel_mv=2.0,
               why="eFEL takes the last tenth of the time before the step, we 0.1 s"),
    Comparison("input_resistance", "ri_peak_raw", "slope of minimum_voltage", relative=0.01),
    Comparison("tau", "tau", "time_constant", 1e3, relative=0.06, efel_relative=0.3,
               why=f"{SNR}; eFEL fits another part of the response"),
    Comparison("sag", "sag", "sag_ratio1", relative=0.04, efel_relative=0.3,
               why="eFEL takes a single lowest sample, which noise lowers, we the mean of 5 ms around it"),
    Comparison("vm_for_sag", "vm_for_sag", "minimum_voltage", relative=0, mv=0.2),
    Comparison("rheobase_i", "rheobase", "smallest step with Spikecount", relative=0),
    Comparison("threshold_v_rheo", "thr5%", "AP_begin_voltage", relative=0, mv=1.5, efel_mv=4.0,
               why="eFEL's threshold is a slope of 10 mV/ms, ours 5 % of the mean steepest slope of the train"),
    Comparison("peak_v_rheo", "peak_v", "peak_voltage", relative=0, mv=0.2),
    Comparison("trough_v_rheo", "trough", None, relative=0, mv=0.2),
    Comparison("fast_trough_v_rheo", "fast_trough", None, relative=0, mv=2.7,
               why="where the slope has fallen to 1 % of the steepest fall: a flat place, found anew at 50 kHz"),
    Comparison("width_rheo", "width_trough-peak", None, 1e3, relative=0.05),
    Comparison("width_suprathresh_rheo", "width_thr-peak", "AP_duration_half_width", 1e3, relative=0.07,
               efel_relative=0.07),
    Comparison("upstroke_rheo", "maxdvdt", "AP_peak_upstroke", relative=0.11, efel_relative=0.03,
               why="the reference takes central differences, which flatten the steepest part at 10 kHz"),
    Comparison("downstroke_rheo", "mindvdt", "AP_peak_downstroke", relative=0.05, apart="190619B_0003"),
    Comparison("upstroke_downstroke_ratio_rheo", "ud", None, relative=0.07),
    Comparison("peak_latency_rheo", None, "time_to_first_spike", 1e3, relative=0.01),
    Comparison("latency_rheo", "latency_ms", None, 1e3, relative=0.01),
    Comparison("fi_fit_slope", "fi_all", "slope of Spikecount", relative=0.025, efel_relative=0.04,
               apart="190619B_0003", why="ipfx counts an action potential by its threshold, the others by its peak"),
    Comparison("maximal_firing_rate", "max_rate", "greatest Spikecount", relative=0.025, apart="190619B_0003",
               why="ipfx counts an action potential by its threshold, the others by its peak"),
    Comparison("stim_amp_hero", "hero_I", None, relative=0),
    Comparison("adapt_hero", "adaptation", None, relative=0.02),
    Comparison("mean_isi_hero", "mean_isi", "mean of all_ISI_values", 1e3, relative=0.01),
    Comparison("isi_cv_hero", None, "ISI_CV", relative=0.02,
               efel_relative=0.35, why="eFEL divides by the number of intervals less one, ipfx by their number"),
)


def measured(path: Path) -> tuple[Cell, dict[str, float]]:
    """The cell of a file, and its features with those potentials that the table has as differences only."""
    cell = extract(path)
    values = dict(cell.features)
    for name in ("peak", "trough", "fast_trough"):
        values[f"{name}_v_rheo"] = values[f"{name}_deltav_rheo"] + values["threshold_v_rheo"]
    values["peak_latency_rheo"] = values["latency_rheo"] + values["threshold_to_peak_t_rheo"]
    return cell, values


def by_efel(cell: Cell) -> dict[str, float]:
    """The same quantities by eFEL, from the raw samples."""
    import efel

    steps = {}
    for k in cell.prepared.of("long_square"):
        raw, step = cell.prepared.recording.sweeps[k], cell.protocol.steps[k]
        v = raw.v_mv[:round(step.end_s * raw.rate)]  # a second step would count, too
        steps[step.amplitude_pa] = {"T": np.arange(len(v)) * 1e3 / raw.rate, "V": v, "stim_start": [step.onset_s * 1e3],
                                    "stim_end": [step.end_s * 1e3]}
    efel.reset()
    efel.set_setting("strict_stiminterval", True)  # the cell may fire before the step
    efel.set_setting("interp_step", 0.02)  # ms
    efel.set_setting("Threshold", -10.0)  # mV; -20 lies in the noise of a strongly depolarised cell
    asked = ("voltage_base", "minimum_voltage", "Spikecount_stimint", "sag_ratio1", "time_constant")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = dict(zip(steps, efel.get_feature_values(list(steps.values()), list(asked)), strict=True))

        def of(pa: float, name: str) -> np.ndarray | None:
            return efel.get_feature_values([steps[pa]], [name])[0][name]

        count = {pa: int(row["Spikecount_stimint"][0]) for pa, row in rows.items()}
        seconds = cell.protocol.steps[cell.prepared.of("long_square")[0]]
        seconds = seconds.end_s - seconds.onset_s
        fired = [pa for pa in sorted(count) if count[pa]]
        out = {
            "voltage_base": np.mean([row["voltage_base"][0] for row in rows.values()]),
            "slope of Spikecount": np.polyfit(fired, [count[pa] / seconds for pa in fired], 1)[0],
            "greatest Spikecount": max(count.values()) / seconds,
        }
        rheobase = next(pa for pa in fired if pa > 0)
        out["smallest step with Spikecount"] = rheobase
        for name in ("AP_begin_voltage", "peak_voltage", "AP_duration_half_width",
                     "AP_peak_upstroke", "AP_peak_downstroke", "time_to_first_spike"):
            values = of(rheobase, name)
            out[name] = np.nan if values is None or not len(values) else float(values[0])
        hero = cell.features["stim_amp_hero"]
        intervals = of(hero, "all_ISI_values")
        out["mean of all_ISI_values"] = np.mean(intervals) if intervals is not None else np.nan
        out["ISI_CV"] = float(of(hero, "ISI_CV")[0]) if of(hero, "ISI_CV") is not None else np.nan
        silent = {pa: row for pa, row in rows.items() if pa < 0 and not count[pa]}
        small = sorted(pa for pa in silent if pa > -100)
        if silent:
            lowest = {pa: float(row["minimum_voltage"][0]) for pa, row in silent.items()}
            near = min(silent, key=lambda pa: abs(lowest[pa] + 100))
            out["minimum_voltage"], out["sag_ratio1"] = lowest[near], float(silent[near]["sag_ratio1"][0])
            points = [(pa, lowest[pa]) for pa in small]
            if len(points) == 1:
                points.append((0.0, float(silent[small[0]]["voltage_base"][0])))
            out["slope of minimum_voltage"] = 1e3 * np.polyfit(*zip(*points, strict=True), 1)[0]
            taus = [silent[pa]["time_constant"] for pa in small]
            out["time_constant"] = np.mean([t[0] for t in taus if t is not None])
    return out


def compared(folder: Path) -> pd.DataFrame:
    """One row a recording and feature: ours, the reference's, eFEL's, and whether each lies within its tolerance."""
    rows = []
    for name, reference in json.loads((folder / "reference.json").read_text()).items():
        cell, values = measured(folder / "recordings" / f"{name}.abf")
        efel = by_efel(cell)
        for c in COMPARISONS:
            ours = values[c.feature] * c.per
            theirs = reference.get(c.reference, np.nan) if c.reference else np.nan
            others = efel.get(c.efel, np.nan) if c.efel and c.apart != name else np.nan
            relative = c.relative
            each = reference.get("tau_each", ())
            if c.feature == "tau" and cell.behind.get("tau") == 1:  # ours is one of those that theirs is the mean of
                theirs = min(each, key=lambda t, ours=ours: abs(t - ours))
            rows.append({
                "recording": name, "feature": c.feature, "ours": ours, "reference": theirs, "efel": others,
                "within_reference": _within(ours, theirs, relative, c.mv),
                "within_efel": _within(ours, others, c.efel_relative or max(relative, 0.0),
                                       c.mv if c.efel_mv is None else c.efel_mv),
                "missing": cell.missing.get(c.feature, ""), "why": c.why,
            })
    return pd.DataFrame(rows)


def _within(ours: float, theirs: float, relative: float, absolute: float) -> bool:
    """Whether a value is near enough; where they have none, ours must not be there either unless it is ours alone."""
    if np.isnan(theirs):
        return True
    return bool(abs(ours - theirs) <= relative * abs(theirs) + absolute + 1e-9)


def page(table: pd.DataFrame) -> str:
    """The comparison as a table in Markdown: a feature a row, a recording a column, "ours / reference / eFEL"."""
    def number(x: float) -> str:
        return "–" if np.isnan(x) else f"{x:.3g}" if abs(x) < 1000 else f"{x:.0f}"

    recordings = list(dict.fromkeys(table["recording"]))
    lines = ["| feature | " + " | ".join(recordings) + " |", "|---" * (len(recordings) + 1) + "|"]
    in_ms = {c.feature for c in COMPARISONS if c.per == 1e3}
    for feature, rows in table.groupby("feature", sort=False):
        cells = [" / ".join(number(rows.set_index("recording").at[r, k]) for k in ("ours", "reference", "efel"))
                 for r in recordings]
        lines.append(f"| `{feature}`{' (ms)' * (feature in in_ms)} | " + " | ".join(cells) + " |")
    whys = table[["feature", "why"]].drop_duplicates()
    lines += ["", *(f"- `{f}`: {why}." for f, why in whys.itertuples(index=False) if why), f"- eFEL: {APART}."]
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    """Print or write the table; 1 when a value lies outside its tolerance."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, help="write the table here, as Markdown")
    args = parser.parse_args(argv)
    table = compared(args.folder)
    if args.out:
        write_bytes(args.out, page(table).encode())
    else:
        print(page(table))
    bad = table[~(table["within_reference"] & table["within_efel"])]
    if len(bad):
        print(bad.to_string())
    return int(len(bad) > 0)


if __name__ == "__main__":
    raise SystemExit(main())
