"""Removal of files that are needed no longer, with a proof that they are gone."""
