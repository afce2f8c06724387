"""A finished run in the formats of others: CHAI model card, Hugging Face card, CycloneDX, MLflow."""
