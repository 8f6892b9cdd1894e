"""The in-memory-computing tile: its driver and its campaign."""
