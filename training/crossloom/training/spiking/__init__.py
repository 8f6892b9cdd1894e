"""Spiking layers whose forward pass is the simulator's integer arithmetic, their training, and their export."""
