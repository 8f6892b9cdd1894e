"""The notebooks that `pynq get-notebooks` copies."""
