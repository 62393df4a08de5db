"""Merging results, raising banners, and what a staged folder holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bookpress.project import BookError, Project, pages_url, write_json
from bookpress.provenance import commit_words, data_fingerprint, revision, run_table, versions
from bookpress.render import swap
from bookpress.results import ledger, merge
from bookpress.stage import insert_after_title, notebook_banners, stage
from patchtype.cohorts import registry

from .conftest import chapter


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def record(project: Project, name: str, **rows: object) -> None:
    results = {key: {"value": value, "cohort": "published"} for key, value in rows.items()}
    write_json(project.results / f"{name}.json", {"notebook": name, "results": results})


def run(name: str, cohort: str = "published", quick: bool = False) -> dict[str, object]:
    return {"notebook": name, "cohort": cohort, "quick": quick}


class TestMerge:
    def test_rows_carry_their_notebook_and_the_file_is_the_same_every_time(self, project):
        record(project, "02_b", z=1, a=2)
        record(project, "01_a", m=3)
        merged = merge(project, ["01_a", "02_b", "03_none"])
        assert merged["a"] == {"value": 2, "cohort": "published", "notebook": "02_b"}
        first = (project.build / "results.json").read_bytes()
        assert list(json.loads(first)) == ["a", "m", "z"]
        merge(project, ["02_b", "01_a"])
        assert (project.build / "results.json").read_bytes() == first

    def test_a_chapter_that_left_the_book_takes_its_results_along(self, project):
        record(project, "01_a", m=3)
        record(project, "09_old", m=4)
        assert merge(project, ["01_a"])["m"]["value"] == 3

    def test_a_key_in_two_chapters_is_an_error_and_leaves_the_old_file(self, project):
        record(project, "01_a", m=3)
        merge(project, ["01_a"])
        before = (project.build / "results.json").read_bytes()
        record(project, "02_b", m=4)
        with pytest.raises(BookError, match="^Result 'm' is in both 01_a and 02_b; rename one.$"):
            merge(project, ["01_a", "02_b"])
        assert (project.build / "results.json").read_bytes() == before

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "is not JSON"),
            ("[]", "must hold the notebook '01_a' and its results"),
            ('{"notebook": "02_b", "results": {}}', "must hold the notebook '01_a' and its results"),
            ('{"notebook": "01_a"}', "must hold the notebook '01_a' and its results"),
            ('{"notebook": "01_a", "results": {"m": 3}}', "result 'm' has no value or cohort"),
            ('{"notebook": "01_a", "results": {"m": {"value": 3}}}', "result 'm' has no value or cohort"),
        ],
    )
    def test_a_file_of_another_shape_is_told(self, project, text, message):
        project.results.mkdir(parents=True)
        (project.results / "01_a.json").write_text(text)
        with pytest.raises(BookError, match=message):
            merge(project, ["01_a"])
        assert not (project.build / "results.json").exists()

    def test_the_ledger_comes_from_the_function_that_the_book_names(self, project):
        assert ledger(project, {}) == "No result has been recorded yet.\n"
        (project.root / "pyproject.toml").write_text("[tool.bookpress]\nledger = 'json:dumps'\n")
        assert ledger(Project(project.root), {"a": 1}) == '{"a": 1}'


class TestBanners:
    @pytest.fixture
    def chapters(self, project):
        project.notebooks.mkdir()
        for name, wanted in (("01_a", ""), ("02_b", "01_a"), ("03_c", "02_b"), ("04_d", "")):
            (project.notebooks / f"{name}.md").write_text(chapter(name, "1", needs=wanted))
        return project

    def test_none_for_published_cells(self, chapters):
        assert notebook_banners(chapters, [run("01_a"), run("04_d", "dandi")], {}) == {}

    def test_simulated_cells_reach_what_builds_on_them(self, chapters):
        runs = [run("01_a", "simulated"), run("02_b"), run("03_c"), run("04_d")]
        banners = notebook_banners(chapters, runs, {})
        assert sorted(banners) == ["01_a", "02_b", "03_c"]
        assert all("book-simulated" in banner for banner in banners.values())

    def test_a_single_simulated_result_marks_its_own_chapter(self, chapters):
        rows = {"x": {"value": 1, "cohort": "simulated", "notebook": "01_a"}}
        banners = notebook_banners(chapters, [run("01_a"), run("02_b")], rows)
        assert list(banners) == ["01_a"]
        assert "Some results on this page come from simulated cells." in banners["01_a"]

    def test_a_quick_run_says_so_beside_the_other(self, chapters):
        banners = notebook_banners(
            chapters, [run("01_a", "simulated", quick=True), run("04_d", quick=True)], {}
        )
        assert "book-simulated" in banners["01_a"]
        assert "book-quick" in banners["01_a"]
        assert "book-simulated" not in banners["04_d"]


@pytest.mark.parametrize(
    ("text", "staged"),
    [
        ("# A\n\nWords.", "# A\n\nBANNER\n\n\nWords."),
        ("(label)=\n# A\nWords.", "(label)=\n# A\n\nBANNER\n\nWords."),
        ("Words.", "BANNER\n\nWords."),
        ("## Small\n", "BANNER\n\n## Small\n"),
    ],
)
def test_a_banner_stands_below_the_title(text, staged):
    assert insert_after_title(text, "BANNER\n") == staged


def test_staging_before_running_is_told(project):
    (project.root / "_toc.yml").write_text("root: book/intro\nchapters: [{file: notebooks/01_a}]\n")
    with pytest.raises(BookError, match="^Not executed yet: 01_a; `make book` runs them.$"):
        stage(project)
    assert not project.build.exists()


def test_the_address_of_the_pages_follows_from_the_repository():
    assert pages_url("https://github.com/owner/name/") == "https://owner.github.io/name/"
    with pytest.raises(BookError, match="expected https://github.com/OWNER/NAME"):
        pages_url("https://example.org/name")


def test_swap_replaces_the_whole_folder(tmp_path):
    for name, page in (("fresh", "new.html"), ("html", "old.html")):
        (tmp_path / name).mkdir()
        (tmp_path / name / page).touch()
    swap(tmp_path / "fresh", tmp_path / "html")
    assert [path.name for path in tmp_path.iterdir()] == ["html"]
    assert [path.name for path in (tmp_path / "html").iterdir()] == ["new.html"]


class TestProvenance:
    def test_a_folder_outside_any_repository_has_no_commit(self, tmp_path):
        assert revision(tmp_path) == {"commit": None, "dirty": None}

    def test_a_repository_is_dirty_from_its_first_change(self, tmp_path):
        import subprocess

        def git(*words: str) -> None:
            subprocess.run(
                ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=tmp_path, check=True
            )

        git("init", "-q")
        git("commit", "-q", "--allow-empty", "-m", "first")
        clean = revision(tmp_path)
        assert len(clean["commit"]) == 40
        assert clean["dirty"] is False
        (tmp_path / "new").touch()
        assert revision(tmp_path) == clean | {"dirty": True}

    def test_commits_read_well(self):
        assert commit_words("0123456789abcdef", False) == "`0123456`"
        assert commit_words(None, None) == "not in a repository"

    def test_versions_are_those_of_the_lock(self, root):
        lock = dict(
            line.split(" ")[0].split("==")
            for name in ("requirements.txt", "requirements-torch.txt")
            for line in (root / name).read_text().splitlines()
            if "==" in line and not line.startswith((" ", "#"))
        )
        found = versions(Project(root))
        assert found["python"].split(".")[0] == "3"
        assert {name: found[name].split("+")[0] for name in lock.keys() & found.keys()} == {
            name: lock[name] for name in lock.keys() & found.keys()
        }
        assert {"torch", "scikit-learn", "ipfx", "jupyter-book"} <= lock.keys() & found.keys()

    def test_the_fingerprint_is_that_of_the_function_that_the_book_names(self, project, root):
        assert data_fingerprint(project) == "none"
        assert data_fingerprint(Project(root)) == registry.fingerprint()

    def test_the_table_lines_up(self):
        rows = [
            {"notebook": "01_data", "wall_s": 3.25, "peak_mb": 100},
            {"notebook": "06_cross_species", "wall_s": 1234.5, "peak_mb": 1900},
        ]
        lines = run_table(rows).splitlines()
        assert len({len(line) for line in lines}) == 1
        assert lines[2].split() == ["06_cross_species", "1234.5", "1,900"]
