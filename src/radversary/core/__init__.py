"""What every other folder agrees on: types, errors, registries, seeds and safe files."""
