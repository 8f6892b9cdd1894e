"""What each spiking library's neurons compute, by class and option, and how its models run over time."""
