"""Style-transfer manipulation."""
