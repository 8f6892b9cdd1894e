"""A virtual PYNQ-Z2: what `pynq` sees of a board, with the Verilated core as its programmable logic."""
