"""How an image takes on a style: networks, optimisation, spectra, and the bank of styles."""
