"""References, states and summaries in a database; figures lie in run folders."""
