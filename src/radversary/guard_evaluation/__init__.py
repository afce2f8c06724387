"""Evaluation of a guard: detection of attacks, false alarms, and attackers who know the detectors."""
