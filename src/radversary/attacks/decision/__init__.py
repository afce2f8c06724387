"""Attacks that see decisions alone and look for the nearest image that is decided otherwise."""
