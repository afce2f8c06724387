"""Attacks that follow the gradient of a classifier inside a ball around the image."""
