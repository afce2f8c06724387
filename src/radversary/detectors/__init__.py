"""Whether a manipulation is noticed, with the original or without."""
