"""What the platform keeps of films, for how long, and how it is removed."""
