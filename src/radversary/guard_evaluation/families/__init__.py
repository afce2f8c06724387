"""The learned detector on attack families it was trained on and on each that was left out."""
