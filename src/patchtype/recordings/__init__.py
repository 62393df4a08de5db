"""From raw current-clamp recordings (NWB 2, ABF) to the twelve IPFX families, scalar features and a verdict.

`reading` finds the cells of a file, with a reader for each format (`nwb_reader`, `abf`); what they give is in
`recording`. `commands` and `protocols` say what each sweep is and prepare it, `scalars` and `extraction` compute
features and families, `quality` says why a cell is kept or lost, `batch` runs many files, `nwb` writes them.
"""
