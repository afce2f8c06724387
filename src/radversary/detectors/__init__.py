"""Detectors of manipulation, with the original image or without it."""
