"""Attacks on images."""
