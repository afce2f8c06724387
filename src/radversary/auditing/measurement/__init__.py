"""Checks of the measurement itself: whether the attacks of an audit were able to find what they looked for."""
