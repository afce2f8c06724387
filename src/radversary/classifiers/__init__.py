"""Victims: one face over any model, its card, safe loading."""
