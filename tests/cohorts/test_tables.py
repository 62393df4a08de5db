"""A table that does not keep its schema is refused, by file, column and row."""

from __future__ import annotations

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
