"""Attacks that ask a classifier for its scores and take no gradient."""
