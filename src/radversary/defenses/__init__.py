"""Defences before a classifier: transforms of its input. Defences in training are in ``training/classifier``."""
