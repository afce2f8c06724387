"""Numbers with intervals: classification, detection, visibility, paired tests."""
