"""Attacks that know the detectors: an image has to mislead the classifier and raise no alarm."""
