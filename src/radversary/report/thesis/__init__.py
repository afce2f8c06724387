"""The thesis' figures from a run."""
