"""Read the public tables and hold every column to its schema before anything else sees it.

A schema says which columns must be there, their type, the range a physical value can take, and which
column identifies a row. The range is wide enough for every real cell and narrow enough to notice a table
in other units: a membrane time constant in seconds where milliseconds are expected is out of range.
"""

from __future__ import annotations

import ast
import operator
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa

from patchtype.cohorts.registry import fetch

_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


class TableError(ValueError):
    """A table does not keep its schema; the message names file, column and row."""


def number(low: float, high: float, median: tuple[float, float] | None = None, **options) -> pa.Column:
    """A nullable float column in [low, high]; its median, when given, tells units apart."""
    checks = [pa.Check.in_range(low, high, error=f"outside {low:g} to {high:g}")]
    if median:
        checks.append(pa.Check(
            lambda column: median[0] <= column.median() <= median[1],
            error=f"median outside {median[0]:g} to {median[1]:g}: are the units right?",
        ))
    return pa.Column(float, checks, nullable=True, coerce=True, **options)


def identifier(kind: type = str, *checks: pa.Check) -> pa.Column:
    return pa.Column(kind, list(checks), unique=True, nullable=False, coerce=True)


def text(*allowed: str, nullable: bool = True) -> pa.Column:
    return pa.Column(object, pa.Check.isin(allowed) if allowed else None, nullable=nullable)


#: Numbers that the Allen Institute gives to specimens, sessions and donors.
_ALLEN = pa.Check.in_range(500_000_000, 1_500_000_000, error="not a number such as 601506507")
_ALLEN_DONOR = pa.Check.in_range(300_000, 600_000, error="not a donor such as 331294")
_FILE = pa.Check.str_matches(r"^sub-\d{9,10}_ses-\d{9,10}_icephys\.nwb$",
                             error="not a file such as sub-601506507_ses-601506492_icephys.nwb")

_MOUSE = {
    "ID": identifier(str, _FILE),
    "vrest": number(-110, -20, (-80, -60)),
    "ri": number(-500, 5000, (100, 400)),
    "tau": number(1, 500, (5, 50)),
    "sag": number(-0.5, 3, (0.005, 0.5)),
    "vm_for_sag": number(-150, -30, (-120, -60)),
    "f_i_curve_slope": number(-2, 10, (0.02, 2)),
    "adaptation": number(-1, 1),
    "latency": number(-0.01, 2, (0.001, 0.5)),
    "avg_isi": number(1, 2000, (5, 500)),
    r"peak_v_.*": number(-120, 90, (5, 60), regex=True),
    r"(fast_trough|slow_trough|trough|threshold)_v_.*": number(-120, 90, (-90, -10), regex=True),
    r"(peak|fast_trough|slow_trough|trough|threshold)_t_.*": number(-1, 60, (0.1, 20), regex=True),
    r"threshold_i_.*": number(0, 5000, (10, 2000), regex=True),
    r"upstroke_downstroke_ratio_.*": number(-100, 100, (0.5, 10), regex=True),
}

_MOUSE_METADATA = {
    "cell_specimen_id": identifier(int, _ALLEN),
    "ephys_session_id": identifier(int, _ALLEN),
    "donor_id": pa.Column(int, _ALLEN_DONOR),
    "structure": text(nullable=False),
    "biological_sex": text("M", "F", nullable=False),
    "age": pa.Column(object, pa.Check.str_matches(r"^(P\d+|\d+ wks)$", error="not as P55 or 9 wks")),
    "T-type Label": text(),
    "MET-type Label": text(),
}

_MOUSE_SECOND = {
    "filename": identifier(str, _FILE),
    "rheo_width": number(5e-5, 0.02, (2e-4, 2e-3)),
    "hero_avg_rate": number(0, 500, (2, 100)),
    "hero_first_isi": number(0.001, 2, (0.003, 0.3)),
    "hero_isi_cv": number(0, 10),
    "hero_median_isi": number(0.001, 2, (0.005, 0.5)),
    "hero_stim_amp": number(0, 5000, (20, 1000)),
    "maximal_firing_rate": number(0, 500, (2, 200)),
    "qc_seal_gohm": number(-100, 100, (0.5, 10)),
    "qc_initial_access_resistance_mohm": number(0, 60, (2, 40)),
    "qc_input_access_resistance_ratio": number(-1, 2, (0.005, 0.5)),
}

_HUMAN_UNITS = {
    r"(?!.*ratio)(threshold_v|vm_for|fast_trough_v_last|adp_v_last).*": number(-150, 60, (-120, -10), regex=True),
    r"peak_deltav.*": number(-100, 150, (20, 120), regex=True),
    r"(fast_)?trough_deltav.*": number(-100, 150, (-60, -5), regex=True),
    r"trough_slowdeltav.*": number(-100, 150, (-10, -0.05), regex=True),
    r"width_(?!adapt).*": number(0, 0.05, (2e-4, 3e-3), regex=True),
    r"(mean|median)_isi_.*|latency_.*": number(0, 2, (0.005, 0.5), regex=True),
    r"avg_rate_.*|first_isi_inv_.*": number(0, 1000, (0.5, 500), regex=True),
    r"upstroke_(?!downstroke|adapt).*": number(0, 1500, (50, 800), regex=True),
    r"downstroke_(?!adapt).*": number(-1500, 0, (-600, -20), regex=True),
    r"upstroke_downstroke_ratio_.*": number(-100, 100, (0.5, 10), regex=True),
}

_HUMAN = {
    "specimen_id": identifier(int, _ALLEN),
    "v_baseline": number(-110, -20, (-80, -50)),
    "input_resistance": number(-1000, 5000, (100, 400)),
    "tau": number(0.001, 0.5, (0.005, 0.05)),
    "sag": number(-0.5, 3, (0.005, 0.5)),
    "rheobase_i": number(0, 5000, (10, 300)),
    "threshold_i_ramp": number(0, 5000, (10, 300)),
    "fi_fit_slope": number(-2, 10, (0.02, 2)),
    "adapt_hero": number(-1, 1),
    "isi_cv_hero": number(0, 10),
    **_HUMAN_UNITS,
}

_HUMAN_METADATA = {
    "specimen_id": identifier(int, _ALLEN),
    "Donor": pa.Column(str, pa.Check.str_matches(r"^[Hh]\d\d\.\d\d\.\d\d\d$", error="not a donor such as H17.06.003")),
    "structure": text(nullable=False),
    "lobe": text(nullable=False),
    "condition": text("acute", "culture", nullable=False),
    "Days_In_culture": number(0, 60),
    "Cortical_layer": text(),
    "subclass_label": text("PVALB", "SST", "VIP", "LAMP5/PAX6/Other", nullable=False),
    "Revised_subclass_label": text("PVALB", "SST", "VIP", "LAMP5/PAX6/Other", nullable=False),
}

_HUMAN_RECORDINGS = {
    "specimen_id_x": pa.Column(int, _ALLEN),
    "Donor": _HUMAN_METADATA["Donor"],
    "nwb_id": pa.Column(float, nullable=True),
    "Revised_subclass_label": _HUMAN_METADATA["Revised_subclass_label"],
}

_HUMAN_DONORS = {
    "Donor": pa.Column(str, pa.Check.str_matches(r"^[Hh]\d\d\.\d\d\.\d\d\d$", error="not a donor such as H17.06.003"),
                       unique=True),
    "disease category": text(),
    "Sex": text(),
    "Age": pa.Column(object, pa.Check.str_matches(r"^(\d+ yr?s|unknown) *$", error="not as 61 yrs"), nullable=True),
}

_LAYER1 = {
    "cell_name": identifier(int, _ALLEN),
    "v_baseline": number(-110, -20, (-80, -50)),
    "tau": number(0.001, 0.5, (0.003, 0.05)),
    "rheobase_i": number(0, 5000, (10, 500)),
}

SCHEMAS = {
    "mouse_efeature.csv": _MOUSE,
    "20200711_patchseq_metadata_mouse.csv": _MOUSE_METADATA,
    "ephys_features_gouwens_w_QC.csv": _MOUSE_SECOND,
    "LeeDalley_ephys_fx.csv": _HUMAN,
    "LeeDalley_manuscript_metadata.csv": _HUMAN_METADATA,
    "LeeDalley_manuscript_metadata_v2.csv": _HUMAN_RECORDINGS,
    "DataS1_Donor_table.csv": _HUMAN_DONORS,
    "aibs_mouse_features_E.csv": _LAYER1,
}

#: Rows, columns and filled cells of each table: what is cut off or emptied shows here, where no range can.
WHOLE = {
    "mouse_efeature.csv": (4435, 48, 187_925),
    "20200711_patchseq_metadata_mouse.csv": (4435, 23, 72_425),
    "ephys_features_gouwens_w_QC.csv": (4435, 37, 146_148),
    "LeeDalley_ephys_fx.csv": (704, 94, 58_555),
    "LeeDalley_manuscript_metadata.csv": (778, 22, 14_764),
    "LeeDalley_manuscript_metadata_v2.csv": (779, 23, 15_517),
    "DataS1_Donor_table.csv": (152, 6, 912),
    "aibs_mouse_features_E.csv": (605, 113, 59_796),
}


def read(name: str) -> pd.DataFrame:
    """A registered table, fetched, read and validated; see `validate` for what can be wrong with it.

    >>> read("LeeDalley_ephys_fx.csv").shape  # doctest: +SKIP
    (704, 94)
    """
    # Cortical_layer mixes 3, "5_6" and nothing: read as text, so that 3 is "3" and not 3.0.
    table = pd.read_csv(fetch(name), encoding="utf-8-sig", dtype={"Cortical_layer": object}, low_memory=False)
    return validate(table, name)


def validate(table: pd.DataFrame, name: str | Path, schema: dict[str, pa.Column] | None = None) -> pd.DataFrame:
    """The table, with the column types of ``schema`` (default: the one of the file called `name`).

    Raises TableError, one sentence for the first thing wrong: a missing column, a value out of range, a
    repeated identifier; with file, column and row (1 is the first row below the header). A public table, which has
    no ``schema`` of its own here, must also be as large as it is known to be, see `WHOLE`.
    """
    name = Path(name).name
    if not isinstance(table.index, pd.RangeIndex):  # what pandas makes of a row that is longer than the header
        raise TableError(f"{name}: found more values in a row than the {len(table.columns)} columns of the header; the "
                         "table is changed: use the original file")
    try:
        valid = pa.DataFrameSchema(schema or SCHEMAS[name]).validate(table, lazy=True)
    except pa.errors.SchemaErrors as errors:
        raise TableError(_sentence(errors.failure_cases, table, name)) from None
    if schema is None:
        counts = zip(("rows", "columns", "filled cells"), (*table.shape, int(table.count().sum())), WHOLE[name],
                     strict=True)
        for what, found, wanted in counts:
            if found != wanted:
                raise TableError(f"{name}: found {found:,} {what}, expected {wanted:,}; the table is cut off, changed "
                                 "or another version: use the original file")
    return valid


def _sentence(cases: pd.DataFrame, table: pd.DataFrame, name: str) -> str:
    missing = cases[cases["check"] == "column_in_dataframe"]
    if len(missing):
        column = missing.iloc[0]["failure_case"]
        return f"{name}: column {column!r} is missing; expected it beside the {len(table.columns)} that were found"
    case = cases.iloc[0]
    found = case["failure_case"]
    found = found.item() if isinstance(found, np.generic) else found  # 12.5, not np.float64(12.5)
    row = "" if pd.isna(case["index"]) else f", row {int(case['index']) + 1}: found {found!r}"
    words = {"field_uniqueness": "repeats an identifier that must be unique", "not_nullable": "is empty"}
    what = words.get(case["check"], case["check"])
    return f"{name}: column {case['column']!r}{row}, {what}; {len(cases)} finding(s) in all"


def computed(expression: str, table: pd.DataFrame) -> pd.Series:
    """A column from others: numbers and names of columns, put together with + - * / and brackets.

    A name that is no word stands in backticks. Raises ValueError for anything else, KeyError for a column that is
    not there.

    >>> computed("1 - 1 / `Sag ratio`", pd.DataFrame({"Sag ratio": [2.0]})).tolist()
    [0.5]
    """
    names: list[str] = []

    def stand_in(quoted: re.Match) -> str:
        names.append(quoted[1])
        return f"_{len(names) - 1}"

    def value(node: ast.expr):
        match node:
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](value(left), value(right))
            case ast.Name(id=name):
                return table[names[int(name[1:])] if re.fullmatch(r"_\d+", name) else name]
            case ast.Constant(value=int() | float() as number):
                return number
        raise ValueError(f"found {ast.unparse(node)!r} in {expression!r}, expected columns, numbers and + - * /")

    return value(ast.parse(re.sub(r"`([^`]+)`", stand_in, expression), mode="eval").body)
