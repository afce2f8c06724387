"""Training data sets: images, attacked copies, views, augmentation."""
