"""What is wrong with a model, told before an attack is blamed for it: ``radversary model check``."""
