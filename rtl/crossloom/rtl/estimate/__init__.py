"""What an engine takes before it is built: cycles, area, and the best choice."""
