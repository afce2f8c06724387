"""Training of transforms before a classifier, from pairs of attacked and clean images."""
