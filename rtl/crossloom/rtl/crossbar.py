"""How `crossbar.sv` is laid out for given sizes: its latency, and the DSP48E1 slices that it takes."""

_MAX_CHAIN = 4


def _field_bits(x_bits: int, w_bits: int) -> int:
    """Bits between two fields of a DSP48E1's product; 0 where four products do not fit."""
    if 3 * w_bits + 2 * x_bits > 24 or x_bits > 16:
        return 0
    bits = min((24 - w_bits) // 2, 17 - x_bits, 12)
    return bits if bits >= x_bits + w_bits else 0


def _chain_rows(rows: int, x_bits: int, w_bits: int) -> int:
    """Rows that a chain of DSP48E1 slices adds before a field overflows; 0 where they cannot help."""
    bits = _field_bits(x_bits, w_bits)
    products = ((1 << bits) - 1) // (((1 << x_bits) - 1) * ((1 << w_bits) - 1))
    return min(products, rows, _MAX_CHAIN)


def _chains(rows: int, cols: int, pix: int, x_bits: int, w_bits: int, dsp: int) -> list[int]:
    """Chains of each pair of columns, the last pair perhaps of one column, which has none."""
    length, pairs = _chain_rows(rows, x_bits, w_bits), cols // 2
    if not length or pix != 2:
        return [0] * ((cols + 1) // 2)
    given = [min((dsp // length + pairs - 1 - pair) // pairs, rows // length) for pair in range(pairs)]
    return given + [0] * (cols % 2)


def _levels(count: int) -> int:
    """Levels of a tree of ternary adders."""
    levels = 0
    while count > 1:
        count, levels = (count + 2) // 3, levels + 1
    return levels


def crossbar_latency(rows: int, cols: int, pix: int, x_bits: int, w_bits: int, dsp: int) -> int:
    """Clock cycles from inputs to sums of `crossbar` with these parameters, the same for all of them.

    It equals `crossbar_pkg::latency` of the sources, which says where the cycles go.
    """
    length, chains = _chain_rows(rows, x_bits, w_bits), _chains(rows, cols, pix, x_bits, w_bits, dsp)
    tree = max(_levels(k + (rows - k * length + 5) // 6) for k in chains)
    return 2 + max((w_bits + 1) // 2, (length + 1) // 2 if any(chains) else 0) + tree


def crossbar_dsp(rows: int, cols: int, pix: int, x_bits: int, w_bits: int, dsp: int) -> int:
    """DSP48E1 slices that `crossbar` takes of the `dsp` it may use: whole chains only, none with one pixel."""
    return _chain_rows(rows, x_bits, w_bits) * sum(_chains(rows, cols, pix, x_bits, w_bits, dsp))
