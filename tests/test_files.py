"""Files that are there whole or not at all."""

from __future__ import annotations

import pytest

from patchtype.files import whole, write_text


@pytest.fixture
def path(tmp_path):
    """A file that is there already, alone in its folder."""
    path = tmp_path / "table.csv"
    path.write_text("old")
    return path


def names(path):
    return sorted(p.name for p in path.parent.iterdir())


def test_until_the_block_is_through_the_old_file_stands_and_the_new_one_is_hidden(path):
    with whole(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
        assert [found.name for found in path.parent.glob("*.csv")] == ["table.csv"] and part.name.startswith(".")
    assert path.read_text() == "new" and names(path) == ["table.csv"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_raises_leaves_the_old_file_alone(path, error):
    with pytest.raises(error), whole(path) as part:
        part.write_text("hal")
        raise error
    assert path.read_text() == "old" and names(path) == ["table.csv"]


def test_a_block_that_writes_nothing_is_an_error_and_changes_nothing(path):
    with pytest.raises(FileNotFoundError), whole(path):
        pass
    assert path.read_text() == "old" and names(path) == ["table.csv"]


def test_an_ending_that_a_library_wants_is_there_to_write_to(path):
    with whole(path, ending=".nwb") as part:
        assert part.suffix == ".nwb" and part.parent == path.parent
        part.write_text("new")
    assert path.read_text() == "new" and names(path) == ["table.csv"]


def test_text_is_utf_8_in_a_folder_made_for_it(tmp_path):
    write_text(tmp_path / "a" / "b" / "page.html", "20 µs → °C\n")
    assert (tmp_path / "a" / "b" / "page.html").read_bytes() == "20 µs → °C\n".encode()
