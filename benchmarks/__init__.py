"""Measured speed, as ratios against a named peer in one run; method in README.md."""
