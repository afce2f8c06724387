"""Files that are whole or absent: plans, documents, arrays, tables, locks, hashes, finished work."""
