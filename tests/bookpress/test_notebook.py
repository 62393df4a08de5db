"""Sources and their pairs: equal, stable, complete; and the rules that make reads from their heads."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from bookpress.__main__ import main
from bookpress.notebook import make_rules, needs, pair_text, parameters, read, sources, stale_pairs, write_pairs
from bookpress.project import BookError, Project, toc_pages, write_json

from .conftest import chapter


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "notebooks").mkdir()
    return Project(tmp_path)


def put(project: Project, name: str, text: str) -> Path:
    path = project.notebooks / f"{name}.md"
    path.write_text(text)
    return path


def test_this_book_has_a_fresh_pair_for_every_source(root):
    project = Project(root)
    assert sources(project)
    assert [path.name for path in stale_pairs(project)] == [], "run `make notebooks`"
    assert {path.stem for path in project.notebooks.glob("*.ipynb")} == {
        path.stem for path in sources(project)
    }


def test_this_book_names_every_source_in_its_contents(root):
    project = Project(root)
    assert [f"notebooks/{path.stem}" for path in sources(project)] == [
        page for page in project.pages() if page.startswith("notebooks/")
    ]


def test_this_book_has_no_circle(root):
    make_rules(Project(root))


def test_a_pair_is_the_same_at_every_conversion(project):
    path = put(project, "01_data", chapter("Data", "1 + 1"))
    assert pair_text(path) == pair_text(path)
    notebook = json.loads(pair_text(path))
    assert [cell["id"] for cell in notebook["cells"]] == ["01_data-000", "01_data-001", "01_data-002"]
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in notebook["cells"])
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert "jupytext" not in notebook["metadata"]


def test_a_pair_is_written_when_missing_or_different_and_only_then(project, capsys):
    path = put(project, "01_data", chapter("Data", "1 + 1"))
    check, write = (
        ["notebooks", "--check", "--root", str(project.root)],
        ["notebooks", "--root", str(project.root)],
    )
    assert main(check) == 1
    assert "01_data.ipynb differs from 01_data.md; run `make notebooks`." in capsys.readouterr().out
    assert main(write) == 0
    assert main(check) == 0
    assert write_pairs(project) == []
    notebook = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    notebook.cells[-1].source = "2 + 2"
    nbformat.write(notebook, path.with_suffix(".ipynb"))
    assert stale_pairs(project) == [path]


def test_parameters_are_read_as_values(project):
    path = put(project, "01_data", chapter("Data", "1"))
    assert parameters(read(path), path) == {"cohort": "published", "quick": False, "seed": 7}


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (":tags: [parameters]\n", "", "the first code cell must be tagged `parameters`."),
        ("seed = 7", "", "the parameters cell does not set seed; it must hold"),
        ("seed = 7", "seed = len('a')", r"parameters must be plain values \("),
        ("seed = 7", "seed = =", r"parameters must be plain values \("),
    ],
)
def test_a_wrong_parameters_cell_is_told(project, before, after, message):
    path = put(project, "01_data", chapter("Data", "1").replace(before, after))
    with pytest.raises(BookError, match=rf"01_data\.md: {message}"):
        read(path)


def test_needs_become_rules(project):
    put(project, "01_data", chapter("Data", "1"))
    put(project, "02_model", chapter("Model", "1", needs="01_data"))
    put(project, "03_both", chapter("Both", "1", needs="01_data, 02_model"))
    where = "_build/executed/notebooks"
    order = f"{where}/01_data.ipynb {where}/02_model.ipynb {where}/03_both.ipynb"
    assert make_rules(project) == (
        f"EXECUTED := $(filter $(EXECUTED),{order}) $(filter-out {order},$(EXECUTED))\n"
        f"{where}/02_model.ipynb: {where}/01_data.ipynb\n"
        f"{where}/03_both.ipynb: {where}/01_data.ipynb {where}/02_model.ipynb\n"
    )


def order(project: Project) -> list[str]:
    words = make_rules(project).split(",")[1].split(")")[0].split()
    return [Path(word).stem for word in words]


def test_make_begins_with_what_most_work_waits_for(project):
    (project.root / "pyproject.toml").write_text("[tool.bookpress.seconds]\n03_c = 150\n04_d = 100\n")
    for name, wanted in (("01_a", ""), ("02_b", "01_a"), ("03_c", ""), ("04_d", "01_a")):
        put(project, name, chapter(name, "1", needs=wanted))
    assert order(project) == ["01_a", "03_c", "04_d", "02_b"], "60 s of 01_a, then 100 of 04_d"
    write_json(project.runs / "03_c.json", {"wall_s": 200.0})
    assert order(project) == ["03_c", "01_a", "04_d", "02_b"], "what was measured here counts more"


def test_a_need_that_does_not_exist_is_told(project):
    path = put(project, "02_model", chapter("Model", "1", needs="01_dat"))
    with pytest.raises(BookError, match=r"02_model\.md needs 01_dat, but there is no .*01_dat\.md\.$"):
        needs(path)


def test_needs_of_another_shape_are_told(project):
    path = put(project, "02_model", "---\nbookpress: {needs: 01_data}\n---\n")
    with pytest.raises(BookError, match=r"`bookpress` must look like `bookpress: \{needs: \[01_data\]\}`\.$"):
        needs(path)


def test_a_head_that_is_no_yaml_is_told(project):
    path = put(project, "02_model", "---\nbookpress: {needs\n---\n")
    with pytest.raises(BookError, match="the head between the --- lines is not YAML"):
        needs(path)


def test_a_circle_is_told(project):
    put(project, "01_a", chapter("A", "1", needs="02_b"))
    put(project, "02_b", chapter("B", "1", needs="01_a"))
    put(project, "03_c", chapter("C", "1"))
    with pytest.raises(BookError, match="^Notebooks need each other in a circle: 01_a, 02_b.$"):
        make_rules(project)


def test_contents_in_reading_order(tmp_path):
    toc = tmp_path / "_toc.yml"
    toc.write_text(
        "root: a\nparts:\n  - chapters:\n      - file: b\n        sections: [{file: c.md}]\n"
        "      - url: https://example.org\n  - chapters: [{file: d.ipynb}]\n"
    )
    assert toc_pages(toc) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chapters: []", "has no `root`"),
        ("root: a\nchapters: [{file: b}, {file: b.md}]", "names b more than once"),
    ],
)
def test_wrong_contents_are_told(tmp_path, text, message):
    (tmp_path / "_toc.yml").write_text(text)
    with pytest.raises(BookError, match=message):
        toc_pages(tmp_path / "_toc.yml")


def test_missing_contents_are_told(tmp_path):
    with pytest.raises(BookError, match="_toc.yml is missing; a book needs this table of contents.$"):
        toc_pages(tmp_path / "_toc.yml")
