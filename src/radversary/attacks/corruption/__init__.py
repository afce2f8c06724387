"""Corruptions that occur by themselves, at published severities."""
