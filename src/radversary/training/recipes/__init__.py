"""What is trained and by which loss: one Lightning module a file."""
