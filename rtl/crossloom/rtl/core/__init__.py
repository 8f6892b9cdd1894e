"""A generated core: driver, simulation, trace, and the folder of its sources."""
