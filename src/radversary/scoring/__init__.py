"""From a result to a score with its reasons: pure functions, which see results and neither images nor models."""
