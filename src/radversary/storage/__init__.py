"""Reading and writing files: plans, documents, arrays, tables, locks, hashes, cached results."""
