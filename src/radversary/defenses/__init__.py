"""What stands before a classifier. Defences that change its training live in training/recipes."""
