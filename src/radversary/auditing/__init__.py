"""Given classifiers, attacks, detectors and defences: run them on the same images and compare. Trains nothing."""
