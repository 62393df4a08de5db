"""Species, transcriptomic subclasses, and the rules that bring labels of both species together.

Mouse cells carry a T-type such as ``"Sst Calb2 Pdlim5"`` (Gouwens et al. 2020); its first word is the
subclass. Human cells carry ``Revised_subclass_label`` (Lee & Dalley et al. 2023). Human names are written
here in the mouse spelling, so that one word means one subclass in the whole book.
"""

from __future__ import annotations

import re

import pandas as pd

SPECIES = ("mouse", "human")

_SPECIES_NAMES = {
    "mouse": "mouse", "mice": "mouse", "house mouse": "mouse", "mus musculus": "mouse", "m. musculus": "mouse",
    "mus musculus domesticus": "mouse", "human": "human", "humans": "human", "homo sapiens": "human",
    "h. sapiens": "human", "homo sapiens sapiens": "human",
}
_SPECIES_TAXA = {"10090": "mouse", "10092": "mouse", "9606": "human"}

#: Subclasses of the two tasks, in the order of every table, confusion matrix and palette.
MOUSE_SUBCLASSES = ("Lamp5", "Pvalb", "Sncg", "Sst", "Vip")
HUMAN_SUBCLASSES = ("Lamp5", "Pvalb", "Sst", "Vip")

#: What becomes of mouse Sncg in the four-class task. The paper's text says Vip; its code misspells the
#: test ("SNGC"), so there the cells fall through to Lamp5.
SNCG_RULES = ("Vip", "Lamp5", "drop")

_HUMAN_NAMES = {"LAMP5/PAX6/Other": "Lamp5", "PVALB": "Pvalb", "SST": "Sst", "VIP": "Vip"}


def species_named(text: str) -> str:
    """``"mouse"`` or ``"human"`` however a file spells it; any other text comes back as it is.

    Known are common and scientific names, both together, and the number of the NCBI taxonomy as an address or curie.

    >>> [species_named(t) for t in ("Mus musculus - House mouse", "http://purl.obolibrary.org/obo/NCBITaxon_9606")]
    ['mouse', 'human']
    >>> species_named("NCBITaxon:10090"), species_named("Rattus norvegicus")
    ('mouse', 'Rattus norvegicus')
    """
    plain = " ".join(text.lower().split())
    taxon = re.fullmatch(r"(?:.*(?:ncbitaxon|taxonomy|taxid|txid|[?&]id)\W*_?)?(\d+)\W*", plain)
    names = [part.strip(" .'\"") for part in re.split(r" [-–—] |[(),;/|]", plain.replace("_", " "))]
    found = {_SPECIES_NAMES[name] for name in (*names, " ".join(plain.replace("_", " ").split()[:2]))
             if name in _SPECIES_NAMES}
    if taxon and taxon[1] in _SPECIES_TAXA:
        found = {_SPECIES_TAXA[taxon[1]]}
    return found.pop() if len(found) == 1 else text


def mouse_subclass(t_type: pd.Series) -> pd.Series:
    """Subclass of each mouse cell, from its T-type label.

    Parameters: ``t_type``, strings such as ``"Vip Gpc3 Slc18a3"``, missing values allowed.
    Returns the first word of each label; missing stays missing. Serpinf1, Meis2 and L2/3 come out under
    their own names: leaving them out is the cohort's decision, with a reason.

    >>> mouse_subclass(pd.Series(["Sst Calb2 Pdlim5", "Vip Gpc3 Slc18a3"])).tolist()
    ['Sst', 'Vip']
    """
    return t_type.str.split().str[0]


def human_subclass(label: pd.Series) -> pd.Series:
    """Subclass of each human cell in the mouse spelling, from ``Revised_subclass_label``.

    Raises ValueError for a label that is not one of the four known ones.

    >>> human_subclass(pd.Series(["PVALB", "LAMP5/PAX6/Other"])).tolist()
    ['Pvalb', 'Lamp5']
    """
    unknown = sorted(set(label.dropna()) - set(_HUMAN_NAMES))
    if unknown:
        raise ValueError(
            f"found the human subclass label {unknown[0]!r}, expected one of {sorted(_HUMAN_NAMES)}; "
            "check Revised_subclass_label in the metadata table"
        )
    return label.map(_HUMAN_NAMES)


def to_four_classes(subclass: pd.Series, sncg: str = "Vip") -> pd.Series:
    """Mouse subclasses on the four classes shared with human; ``sncg`` is one of `SNCG_RULES`.

    With ``"drop"``, Sncg becomes missing.

    >>> to_four_classes(pd.Series(["Sncg", "Sst"])).tolist()
    ['Vip', 'Sst']
    """
    if sncg not in SNCG_RULES:
        raise ValueError(f"found sncg={sncg!r}, expected one of {SNCG_RULES}")
    return subclass.replace({"Sncg": None if sncg == "drop" else sncg})
