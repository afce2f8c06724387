"""What training loops draw batches from: images, attacked copies, views, augmentation."""
