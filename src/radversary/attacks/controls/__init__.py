"""Attacks that nothing is aimed at: no change, noise, and noise of another attack's size."""
