"""What an adversary does to an image."""
