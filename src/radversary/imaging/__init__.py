"""Pure functions on images: similarity, edges, spectrum, JPEG, intensity."""
