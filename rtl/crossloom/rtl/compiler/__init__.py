"""From a network to the program and the memories of one engine."""
