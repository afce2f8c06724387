"""Attacks that see nothing of a classifier but its decisions, and look for the nearest image that it decides otherwise."""
