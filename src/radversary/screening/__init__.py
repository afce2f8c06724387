"""One image in, a verdict out: a classifier, detectors that need no original, and thresholds, as one bundle."""
