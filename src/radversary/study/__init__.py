"""The whole experiment from one plan."""
