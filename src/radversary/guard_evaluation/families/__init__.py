"""The learned detector on attack families that it was shown and on each that it was not."""
