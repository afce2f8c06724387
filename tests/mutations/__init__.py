"""Damaged inputs of every kind: whatever a reader is given, it reads it or refuses it in one clean sentence.

``python -m tests.mutations --count 12000`` runs a night's worth in worker processes of limited memory and time, prints
a table by reader and keeps each input that failed; pytest runs a share of it.
"""
