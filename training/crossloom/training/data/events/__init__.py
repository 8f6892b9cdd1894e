"""Recordings of event cameras: files that hold them, their events counted in bins, and a model of a camera."""
