"""What a detector, a display or a positioning could do to a radiograph, optimised against a model."""
