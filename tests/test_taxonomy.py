"""Labels of both species under one spelling; families and units."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from helpers import figures
from patchtype import families, taxonomy


@pytest.mark.parametrize(("label", "subclass"), [
    ("Sst Calb2 Pdlim5", "Sst"), ("Vip Gpc3 Slc18a3", "Vip"), ("L2/3 IT VISp Rrad", "L2/3"), ("Sncg Gpr50", "Sncg")])
def test_a_mouse_subclass_is_the_first_word(label, subclass):
    assert taxonomy.mouse_subclass(pd.Series([label])).item() == subclass


def test_an_unknown_human_label_is_refused():
    with pytest.raises(ValueError, match="found the human subclass label 'SNCG'"):
        taxonomy.human_subclass(pd.Series(["SST", "SNCG"]))


def test_every_feature_has_a_unit_and_every_family_a_title():
    for name in families.FEATURE_SETS:
        for family, members in families.families(name).items():
            assert family in families.FAMILY_TITLES
            for feature in members:
                assert families.unit(feature) and families.label(feature)


def test_no_two_features_of_a_set_share_their_words():
    for name in families.FEATURE_SETS:
        names = [feature for members in families.families(name).values() for feature in members]
        assert len({families.label(feature) for feature in names}) == len(names)


def test_species_and_slices_have_no_colour_of_a_subclass():
    others = {*figures.SPECIES_COLOURS.values(), *figures.CONDITION_COLOURS.values()}
    assert others.isdisjoint(figures.SUBCLASS_COLOURS.values())


@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.parametrize("n", [1, 2, 4, 6])
def test_shades_are_distinct_ordered_and_far_from_every_colour_with_a_meaning(n, filled):
    shades = figures.shades((f"method {k}" for k in range(n)), filled=filled)
    assert list(shades) == [f"method {k}" for k in range(n)]
    taken = [to_rgb(c) for palette in (figures.SUBCLASS_COLOURS, figures.SPECIES_COLOURS, figures.CONDITION_COLOURS)
             for c in palette.values()]
    assert min(np.linalg.norm(np.subtract(a, b)) for a in shades.values() for b in taken) > 0.25
    light = np.array(list(shades.values())) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light) > 0.05).all()


@pytest.mark.parametrize("n", [1, 2, 4, 6])
def test_no_shade_is_too_pale_for_a_line_on_white(n):
    shades = figures.shades(f"method {k}" for k in range(n))
    linear = np.where((rgb := np.array(list(shades.values()))) <= 0.03928, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    contrast = 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05)  # with the white ground, by WCAG
    assert (contrast >= 3).all()


def test_no_chapter_and_no_module_writes_the_colour_of_a_subclass_or_species_by_hand(root):
    """It would draw something else in a colour that has a meaning, or fall behind when the palette changes."""
    palettes = (figures.SUBCLASS_COLOURS, figures.SPECIES_COLOURS, figures.CONDITION_COLOURS)
    meanings = {colour.lower(): name for palette in palettes for name, colour in palette.items()}
    code = root / "src"
    sources = [*(root / "notebooks").glob("*.md"), *code.rglob("*.py"), *code.rglob("*.html")]
    sources.remove(code / "helpers" / "figures.py")
    assert len(sources) > 50
    assert not [
        f"{source.name}: {literal} is the colour of {meanings[literal.lower()]}"
        for source in sources
        for literal in re.findall(r"#[0-9A-Fa-f]{6}\b", source.read_text(encoding="utf-8"))
        if literal.lower() in meanings
    ]


def test_families_among_some_features_keep_their_order_and_none_is_empty():
    members = {"spike": ["peak", "width"], "sag": ["sag"], "passive": ["tau", "vm"]}
    assert families.among(members, {"vm", "width", "peak", "stray"}) == {"spike": ["peak", "width"], "passive": ["vm"]}


def test_the_twelve_vector_families_have_2005_values():
    assert len(families.VECTOR_FAMILIES) == 12
    assert sum(width for _, width in families.VECTOR_FAMILIES.values()) == 2005


def test_every_mouse_feature_says_how_it_is_computed():
    table = families.features()
    assert table.loc[table["mouse"].notna(), "mouse_expression"].notna().all()
    assert table.index[table["aligned"].notna()].isin(table.index[table["mouse"].notna()]).all()


def test_each_subclass_has_a_colour_and_a_marker_of_its_own():
    assert set(taxonomy.MOUSE_SUBCLASSES) == set(figures.SUBCLASS_COLOURS) == set(figures.SUBCLASS_MARKERS)
    assert len(set(figures.SUBCLASS_COLOURS.values())) == len(set(figures.SUBCLASS_MARKERS.values())) == 5
