"""Training a CycleGAN from unpaired attacked and clean images."""
