"""A table that does not keep its schema is refused, by file, column and row."""

from __future__ import annotations

import io
import re
from functools import cache

import numpy as np
import pandas as pd
import pytest

from patchtype.cohorts import TableError
from patchtype.cohorts.tables import SCHEMAS, read, validate

HUMAN = "LeeDalley_ephys_fx.csv"


@pytest.fixture(scope="module")
def human():
    return read(HUMAN)


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_real_tables_keep_their_schemas(name):
    assert len(original(name))


def test_a_missing_column_is_named(human):
    with pytest.raises(TableError, match="LeeDalley_ephys_fx.csv: column 'tau' is missing"):
        validate(human.drop(columns="tau"), HUMAN)


@pytest.mark.parametrize("more", [1, 2])
def test_rows_longer_than_the_header_are_refused(human, more):
    text = human.to_csv(index=False)
    head, rest = text.split("\n", 1)
    shorter = pd.read_csv(io.StringIO(head.rsplit(",", more)[0] + "\n" + rest), low_memory=False)
    with pytest.raises(TableError, match=rf"found more values in a row than the {94 - more} columns of the header"):
        validate(shorter, "LeeDalley_ephys_fx.csv")


def test_a_value_out_of_range_is_named_with_its_row(human):
    broken = human.copy()
    broken.loc[41, "v_baseline"] = 12.5
    with pytest.raises(TableError, match=r"column 'v_baseline', row 42: found 12.5, outside -110 to -20"):
        validate(broken, HUMAN)


def test_a_repeated_cell_is_named(human):
    broken = human.copy()
    broken.loc[7, "specimen_id"] = broken.loc[3, "specimen_id"]
    with pytest.raises(TableError, match=r"column 'specimen_id', row \d+: .*repeats an identifier"):
        validate(broken, HUMAN)


@pytest.mark.parametrize(("column", "factor"), [("tau", 1000), ("width_rheo", 1000), ("input_resistance", 1e-3)])
def test_a_column_in_other_units_is_noticed(human, column, factor):
    with pytest.raises(TableError, match=f"column '{column}'"):
        validate(human.assign(**{column: human[column] * factor}), HUMAN)


def test_text_where_numbers_belong(human):
    with pytest.raises(TableError, match="column 'sag'"):
        validate(human.astype({"sag": object}).assign(sag="high"), HUMAN)


@cache
def original(name):
    return read(name)


# --- harmed tables: ``how(table, n, name)`` with any number n -----------------------------------------------

def cut_off(table, n, name):
    return table.iloc[:-1 - n % 50]


def without_a_row(table, n, name):
    return table.drop(index=table.index[n % len(table)])


def without_a_column(table, n, name):
    return table.drop(columns=table.columns[n % table.shape[1]])


def doubled(table, n, name):
    return pd.concat([table, table.iloc[:1 + n % 20]])


def emptied(table, n, name):
    rows, columns = np.nonzero(table.notna().to_numpy())
    return changed(table, rows[n % len(rows)], columns[n % len(rows)], np.nan)


#: What an identifier cannot be.
IMPOSSIBLE = (lambda v: v[4:] if isinstance(v, str) else v % 10_000, lambda v: f"x{v}", lambda v: -1, lambda v: 0,
              lambda v: f"{v}0" if isinstance(v, str) else 10 * v, lambda v: " ", lambda v: np.nan)


def renamed(table, n, name):
    """An identifier that cannot be one."""
    columns = [column for column, spec in SCHEMAS[name].items()
               if not spec.regex and (spec.unique or re.search("(?i)donor|specimen|session", column)) and spec.checks]
    column, row = columns[n % len(columns)], n // 7 % len(table)
    return changed(table, row, table.columns.get_loc(column), IMPOSSIBLE[n % 7](table[column].iloc[row]))


def measured(table, name):
    """The columns whose unit a schema knows: their median is held to a range."""
    wanted = [re.compile(column if spec.regex else f"{re.escape(column)}$") for column, spec in SCHEMAS[name].items()
              if any("units" in str(check.error) for check in spec.checks)]
    return [column for column in table if any(each.match(column) for each in wanted)]


def worded(table, n, name):
    """Words in one of the measured numbers, as a spreadsheet leaves them."""
    columns = measured(table, name)
    return changed(table, n % len(table), table.columns.get_loc(columns[n % len(columns)]), "#REF!")


def scaled(table, n, name):
    """One measured column in another unit; volts for millivolts, say."""
    columns = measured(table, name)
    column = columns[n % len(columns)]
    return table.assign(**{column: table[column] * (1e3 if n % 2 else 1e-3)})


def changed(table, row, column, value):
    values = table.iloc[:, column].astype(object).to_numpy(copy=True)
    values[row] = value
    return table.assign(**{table.columns[column]: values})


HARMS = (cut_off, without_a_row, without_a_column, doubled, emptied, renamed, worded, scaled)
UNMEASURED = ("20200711_patchseq_metadata_mouse.csv", "LeeDalley_manuscript_metadata.csv",
              "LeeDalley_manuscript_metadata_v2.csv", "DataS1_Donor_table.csv")


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("name", SCHEMAS)
def test_what_is_harmed_is_noticed_without_a_checksum(name, harm):
    if harm in (worded, scaled) and name in UNMEASURED:
        pytest.skip("nothing is measured in it")
    whole = original(name)
    for n in np.random.default_rng(0).integers(10_000, size=4):
        with pytest.raises(TableError, match=name):
            validate(harm(whole, int(n), name), name)
