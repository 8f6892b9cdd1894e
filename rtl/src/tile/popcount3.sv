// Sums the products of three pairs of bits into a two-bit count, in every position at once, one
// cycle later:
//   {twos_o, ones_o}[k] = sum over j < 3 of a_i[j][k] & b_i[j][k]      0..3
//
// Operands: three vectors of Width bits each; no carry crosses positions. Latency: 1 cycle. Rate:
// one a cycle.
// On 7-series each position is two LUT6. A module of its own, kept by synthesis: mapped with what
// follows, the area
// recovery of Yosys takes three LUTs a position.
// Model: numpy's sum of products. Testbench: tests/rtl/test_benches.py.
(* keep_hierarchy *)
module popcount3 #(
  parameter int unsigned Width = 43
) (
  input  logic                  clk_i,
  input  logic [2:0][Width-1:0] a_i,
  input  logic [2:0][Width-1:0] b_i,
  output logic [Width-1:0]      ones_o,
  output logic [Width-1:0]      twos_o
);
  logic [2:0][Width-1:0] product;

  if (Width < 1) begin : gen_width
    $error("popcount3: Width is %0d; at least 1 is needed", Width);
  end

  assign product = a_i & b_i;
  always_ff @(posedge clk_i) begin
    ones_o <= product[0] ^ product[1] ^ product[2];
    twos_o <= (product[0] & product[1]) | (product[2] & (product[0] | product[1]));
  end
endmodule
