"""How `array.sv` is laid out for given sizes: its latency, and the DSP48E1 slices that it takes."""

from functools import cache

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


@cache
def array_latency(rows: int, cols: int, pix: int, x_bits: int, w_bits: int, dsp: int) -> int:
    """Clock cycles from inputs to sums of `array` with these parameters, the same for all of them.

    It equals `array_pkg::latency` of the sources, which says where the cycles go.
    """
    length, chains = _chain_rows(rows, x_bits, w_bits), _chains(rows, cols, pix, x_bits, w_bits, dsp)
    tree = max(_levels(k + (rows - k * length + 5) // 6) for k in chains)
    return 2 + max((w_bits + 1) // 2, (length + 1) // 2 if any(chains) else 0) + tree


def array_dsp(rows: int, cols: int, pix: int, x_bits: int, w_bits: int, dsp: int) -> int:
    """DSP48E1 slices that `array` takes of the `dsp` it may use: whole chains only, none with one pixel."""
    return _chain_rows(rows, x_bits, w_bits) * sum(_chains(rows, cols, pix, x_bits, w_bits, dsp))


def _tree_lut(count: int, bits: int, most: int, out_bits: int, levels: int) -> tuple[int, int, int, int]:
    """LUTs of some levels of ternary adders, and what comes out: how many numbers, their bits, their greatest."""
    lut = 0
    for _ in range(levels):
        most *= 3 if count > 2 else count
        wide = min(most.bit_length(), out_bits)
        lut += count // 3 * (bits + (wide > bits)) + (bits if count % 3 == 2 else 0)
        count, bits = (count + 2) // 3, wide
    return lut, count, bits, most


def array_lut(rows: int, cols: int, pix: int, x_bits: int, w_bits: int, dsp: int) -> int:
    """LUTs of `array` with these parameters: what Yosys takes, within 5 % (estimated)."""
    length, grow = _chain_rows(rows, x_bits, w_bits), (rows - 1).bit_length()
    x_most, sum_bits = (1 << x_bits) - 1, x_bits + w_bits + grow
    product = x_most * ((1 << w_bits) - 1)

    def column(chains: int) -> int:
        pairs = (rows - chains * length + 1) // 2
        # A pair is an adder of x_bits + 1 bits for every bit of the weights.
        lut, count, bits, most = _tree_lut(pairs, x_bits + w_bits + 1, 2 * product, sum_bits, 1 if pairs else 0)
        most = max(most if pairs else 0, length * product if chains else 0)
        bits, count = min(most.bit_length(), sum_bits), count + chains
        last = _tree_lut(count, bits, most, sum_bits, _levels(count))[0]
        late = 2 * pairs * max(0, w_bits - 4)  # weights that wait three cycles or more do so in shift registers
        return pix * (pairs * w_bits * (x_bits + 1) + lut + last) + late

    # The sums of the inputs: of pairs, which all columns share, and of rows.
    pairs = (rows + 1) // 2
    inputs = rows // 2 * x_bits + _tree_lut(pairs, x_bits + 1, 2 * x_most, x_bits + grow, _levels(pairs))[0]
    chains = _chains(rows, cols, pix, x_bits, w_bits, dsp)
    columns = sum(column(k) * min(2, cols - 2 * pair) for pair, k in enumerate(chains))
    return pix * inputs + columns
