// Counts six bits in every bit position at once: {fours, twos, ones}[k] = a[k] + ... + f[k], 0..6.
//
// Operands: six unsigned vectors of Width bits; each position is a sum of its own, no carry crosses
// positions.
// Latency: none (combinational). On 7-series each position is three LUT6, one an output bit.
// Model: numpy's sum over the six vectors. Testbench: tests/rtl/test_benches.py.
(* keep_hierarchy *)
module compress63 #(
  parameter int unsigned Width = 8
) (
  input  logic [5:0][Width-1:0] bits_i,
  output logic [Width-1:0]      ones_o,
  output logic [Width-1:0]      twos_o,
  output logic [Width-1:0]      fours_o
);
  logic [Width-1:0] low_sum, low_carry, high_sum, high_carry, carry;

  if (Width < 1) begin : gen_width
    $error("compress63: Width is %0d; at least 1 is needed", Width);
  end

  // Two full adders, then their sums and carries: boolean on purpose, an adder would become a carry
  // chain.
  assign low_sum    = bits_i[0] ^ bits_i[1] ^ bits_i[2];
  assign low_carry  = (bits_i[0] & bits_i[1]) | (bits_i[2] & (bits_i[0] | bits_i[1]));
  assign high_sum   = bits_i[3] ^ bits_i[4] ^ bits_i[5];
  assign high_carry = (bits_i[3] & bits_i[4]) | (bits_i[5] & (bits_i[3] | bits_i[4]));
  assign carry      = low_sum & high_sum;

  assign ones_o  = low_sum ^ high_sum;
  assign twos_o  = low_carry ^ high_carry ^ carry;
  assign fours_o = (low_carry & high_carry) | (carry & (low_carry | high_carry));
endmodule
