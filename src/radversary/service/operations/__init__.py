"""What a person who runs a platform does to it: back it up, restore it, check it, make its store anew."""
