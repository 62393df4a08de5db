"""Helpers of the executable book: recordings and published tables in, figures and numbers out.

Data goes one way: table or recording → `cohorts` → `models` under an `evaluation` protocol →
`report` and `figures` → `book`. No module imports one that stands later in that line.
"""

__version__ = "0.1.0"
