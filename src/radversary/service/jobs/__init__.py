"""Work that runs for long: durable, resumable, in worker processes; on an existing engine (DBOS)."""
