"""Devices, worker processes, progress and cancellation."""
