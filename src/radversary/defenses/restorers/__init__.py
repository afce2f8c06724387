"""Networks that restore images, by factory; the names are in defenses/restoration.py."""
