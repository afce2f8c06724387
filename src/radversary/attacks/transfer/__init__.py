"""Attacks that follow gradients within a bound in ways that make them carry over from a surrogate to other models."""
