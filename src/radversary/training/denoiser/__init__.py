"""Training what stands before a classifier from pairs of attacked and clean images."""
