"""Statistics of scores: conformal p-values, fusion, thresholds, drift; no image and no detector."""
