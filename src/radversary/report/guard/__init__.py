"""The page of a guard evaluation."""
