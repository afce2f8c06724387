"""Attacks that look for the smallest change of an image that reaches the goal."""
