"""Recipes that train something, and the one train()."""
