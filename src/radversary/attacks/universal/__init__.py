"""Universal attacks: one change for all images, learnt on images of other patients or from the victim alone."""
