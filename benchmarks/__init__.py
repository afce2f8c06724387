"""Timings against named peers, and what the forms of one model have in common."""

import radversary  # noqa: F401 - before PyTorch is imported, whose threads it tells to wait asleep
