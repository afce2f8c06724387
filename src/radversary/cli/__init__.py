"""The command line: one verb, one file, one call of a lower folder."""
