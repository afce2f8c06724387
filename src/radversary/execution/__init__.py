"""Where work runs and how it shows that it runs: devices, threads, progress."""
