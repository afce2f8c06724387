"""What regulations, standards and reporting guidelines ask, and where a report answers it."""
