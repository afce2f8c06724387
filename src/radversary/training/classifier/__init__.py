"""Training a classifier: plan, recipes and the resumable loop around them."""
