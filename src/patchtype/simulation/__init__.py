"""Model neurons, recordings of them, and the simulated cohort that comes with the package."""
