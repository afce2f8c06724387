"""Training the feed-forward style network."""
