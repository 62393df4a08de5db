"""A table that does not keep its schema is refused, by file, column and row."""

from __future__ import annotations

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
    assert len(read(name))


def test_a_missing_column_is_named(human):
    with pytest.raises(TableError, match="LeeDalley_ephys_fx.csv: column 'tau' is missing"):
        validate(human.drop(columns="tau"), HUMAN)


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


def cut_off(table, n):
    return table.iloc[:-1 - n % 50]


def without_a_row(table, n):
    return table.drop(index=table.index[n % len(table)])


def without_a_column(table, n):
    return table.drop(columns=table.columns[n % table.shape[1]])


def doubled(table, n):
    return pd.concat([table, table.iloc[:1 + n % 20]])


def emptied(table, n):
    rows, columns = np.nonzero(table.notna().to_numpy())
    return changed(table, rows[n % len(rows)], columns[n % len(rows)], np.nan)


def shorter_name(table, n):
    name = "Donor" if "Donor" in table and n % 2 else "specimen_id_x" if "specimen_id_x" in table else "specimen_id"
    value = table[name].iloc[n % len(table)]
    return changed(table, n % len(table), table.columns.get_loc(name), value[4:] if name == "Donor" else value % 10000)


def changed(table, row, column, value):
    values = table.iloc[:, column].astype(object).to_numpy(copy=True)
    values[row] = value
    return table.assign(**{table.columns[column]: values})


@pytest.mark.parametrize("harm", [cut_off, without_a_row, without_a_column, doubled, emptied, shorter_name])
@pytest.mark.parametrize("name", [HUMAN, "LeeDalley_manuscript_metadata.csv", "LeeDalley_manuscript_metadata_v2.csv"])
def test_what_is_cut_off_emptied_or_renamed_is_noticed_without_a_checksum(name, harm):
    whole = read(name)
    for n in np.random.default_rng(0).integers(10_000, size=5):
        with pytest.raises(TableError, match=name):
            validate(harm(whole, int(n)), name)
