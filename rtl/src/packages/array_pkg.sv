// How an array is laid out: how many rows go to DSP48E1 slices, and how many cycles it takes.
//
// A DSP48E1 multiplies 24 by 17 unsigned bits: {w1, w0} at a distance of 2 * field bits by {x1, x0}
// at field bits gives x0*w0, x1*w0, x0*w1, x1*w1 in four fields, and a chain of slices adds as many
// rows as a field holds. In Python: crossloom.rtl.estimate.array.array_latency.
package array_pkg;
  localparam int unsigned MaxChain = 4;  // rows of a chain: each pair of them costs a cycle

  function automatic int unsigned least(input int unsigned a, input int unsigned b);
    return a < b ? a : b;
  endfunction

  function automatic int unsigned most(input int unsigned a, input int unsigned b);
    return a > b ? a : b;
  endfunction

  // Bits between two fields of a product; 0 where four fields do not fit.
  function automatic int unsigned field_bits(input int unsigned x_bits, input int unsigned w_bits);
    int unsigned bits;
    if (3 * w_bits + 2 * x_bits > 24 || x_bits > 16) return 0;
    bits = least(least((24 - w_bits) / 2, 17 - x_bits), 12);
    return bits < x_bits + w_bits ? 0 : bits;
  endfunction

  // Rows of a chain; 0 where a DSP48E1 cannot help.
  function automatic int unsigned chain_rows(
    input int unsigned rows, input int unsigned x_bits, input int unsigned w_bits
  );
    int unsigned bits;
    bits = field_bits(x_bits, w_bits);
    if (bits == 0) return 0;
    return least(least(((1 << bits) - 1) / (((1 << x_bits) - 1) * ((1 << w_bits) - 1)), rows),
                 MaxChain);
  endfunction

  // Chains that the pair of columns 2 * pair, 2 * pair + 1 has, of what dsp slices allow.
  function automatic int unsigned pair_chains(
    input int unsigned pair, input int unsigned rows, input int unsigned cols,
    input int unsigned x_bits, input int unsigned w_bits, input int unsigned dsp
  );
    int unsigned length, pairs;
    length = chain_rows(rows, x_bits, w_bits);
    pairs  = cols / 2;
    if (length == 0 || pair >= pairs) return 0;
    return least((dsp / length + pairs - 1 - pair) / pairs, rows / length);
  endfunction

  // What is left of some operands after levels that add three into one.
  function automatic int unsigned left_after(input int unsigned count, input int unsigned level);
    left_after = count;
    for (int unsigned l = 0; l < level; l++) left_after = (left_after + 2) / 3;
  endfunction

  // Levels of a tree that adds three operands into one.
  function automatic int unsigned levels(input int unsigned count);
    levels = 0;
    while (left_after(count, levels) > 1) levels = levels + 1;
  endfunction

  // Operands of a column's last tree: its chains, and its other rows in sums of six.
  function automatic int unsigned operands(
    input int unsigned chains, input int unsigned length, input int unsigned rows
  );
    return chains + (rows - chains * length + 5) / 6;
  endfunction

  // Cycles until the last tree: the longer of the way through LUTs and, if any, DSP48E1 slices.
  function automatic int unsigned partial_latency(
    input int unsigned w_bits, input int unsigned chains, input int unsigned length
  );
    return 2 + most((w_bits + 1) / 2, chains == 0 ? 0 : (length + 1) / 2);
  endfunction

  // Levels of the columns' last trees: of the column that needs most.
  function automatic int unsigned tree_levels(
    input int unsigned rows, input int unsigned cols, input int unsigned x_bits,
    input int unsigned w_bits, input int unsigned dsp
  );
    tree_levels = 0;
    for (int unsigned pair = 0; pair < (cols + 1) / 2; pair++) begin
      tree_levels = most(tree_levels, levels(operands(
        pair_chains(pair, rows, cols, x_bits, w_bits, dsp),
        chain_rows(rows, x_bits, w_bits), rows)));
    end
  endfunction

  // Cycles from an input to its sums; dsp is 0 with one pixel.
  function automatic int unsigned latency(
    input int unsigned rows, input int unsigned cols, input int unsigned x_bits,
    input int unsigned w_bits, input int unsigned dsp
  );
    return partial_latency(w_bits, pair_chains(0, rows, cols, x_bits, w_bits, dsp),
                           chain_rows(rows, x_bits, w_bits))
         + tree_levels(rows, cols, x_bits, w_bits, dsp);
  endfunction
endpackage
