"""A result as a page; computes nothing."""
