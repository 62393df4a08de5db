"""Every solution passes its check and every stub fails it, on made cells: no answer leans on published numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bookpress.course.exercises import context, exercises, stub
from bookpress.course.grade import _quick
from bookpress.notebook import read, sources
from bookpress.project import Project
from patchtype import cohorts, families, taxonomy

CHAPTERS = ("01_data", "02_quality_control", "03_gouwens_replication", "04_random_forest", "05_attention_bilstm",
            "06_cross_species_transfer")  # fmt: skip


def made(species: str, features: str = "aligned", source: str = "published") -> cohorts.Cohort:
    """150 cells of noise around a mean per subclass, some values missing, four cells a donor."""
    classes = {"mouse": taxonomy.MOUSE_SUBCLASSES, "human": taxonomy.HUMAN_SUBCLASSES}[species]
    rng = np.random.default_rng(len(species))
    code = np.sort(rng.integers(0, len(classes), 150))
    members = families.families(features)
    names = [name for family in members.values() for name in family]
    values = rng.normal(size=(150, len(names))) + code[:, None] * rng.normal(size=len(names))
    values[rng.random(values.shape) < 0.02] = np.nan
    index = [f"{species}-{i}" for i in range(150)]
    donors = rng.permutation(np.arange(150) // 4).astype(str)
    cells = pd.DataFrame(
        {"species": species, "subclass": np.array(classes)[code], "donor": donors, "source": "simulated"}, index=index
    )
    excluded = pd.DataFrame({"reason": ["no label", "no label", "no long squares"]})
    return cohorts.Cohort.build(cells, pd.DataFrame(values, index, names), members, classes, excluded)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHAPTERS)
def test_solutions_pass_and_stubs_fail(root, name, tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_BUILD", str(tmp_path))
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr(cohorts, "load", made)
    source = next(path for path in sources(Project(root)) if path.stem == name)
    notebook = read(source)
    for exercise in exercises(notebook, name):
        solution, check = (notebook.cells[at].source for at in (exercise.solution, exercise.check))
        space: dict = {"__name__": "__main__"}
        for text in context(notebook, exercise, solution):
            text = _quick(text).replace('cohort = "published"', 'cohort = "simulated"')
            # One simulated recording is enough for the exercises, and five times as quick.
            exec(text.replace("in taxonomy.MOUSE_SUBCLASSES", 'in ("Pvalb",)'), space)
        ground = dict(space)
        exec(solution, space)
        exec(check, space)
        # A stub inside a function is met only when the check calls it.
        with pytest.raises(NotImplementedError, match=f"^Exercise {exercise.number}: "):
            exec(stub(solution, exercise.number), ground)
            exec(check, ground)
