"""Labelled images: what a data set is, the sets that have a name, the user's own, and sets made of others."""
