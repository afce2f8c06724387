"""From an audit's tables to its figures."""
