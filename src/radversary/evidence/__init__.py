"""Evidence to hand over: sealing a run folder, verifying it, and a copy that names no patient."""
