"""Types, errors, registries, seeds and text cleaning that all other folders use."""
