"""From raw current-clamp recordings (NWB 2) to the twelve IPFX families, scalar features and a verdict.

`nwb` reads and writes recordings, `protocols` prepares their sweeps, `extraction` computes the families,
`quality` says why a cell is kept or lost, `simulation` makes cells, `batch` runs many files.
"""
