"""Victims: what reads the radiographs, its card, its weights and its adapters."""
