"""A neuron's transcriptomic subclass from its electrical recording.

Data goes one way: recording or published table → `cohorts` → `models` under an `evaluation` protocol → a score or,
in `classify`, an answer. No room imports one that stands later in that line.
"""

__version__ = "0.1.0"
