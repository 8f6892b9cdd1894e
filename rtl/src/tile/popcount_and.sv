// The column's popcount: count_o = number of i with a_i[i] & b_i[i], three cycles later.
//
// Operands: a_i, b_i are Width independent bits; count_o is unsigned, 0..Width, $clog2(Width + 1)
// bits.
// Latency: 3 cycles. Throughput: one count a cycle, no handshake.
// How: three products unroll into two bits (two LUT6), those into 6:3 counters, those into adders;
// slices are
// contiguous, so that a simulator works on whole words.
// Model: (a & b).sum() in crossloom.sim.crossbar.twin. Testbench: tests/rtl/test_benches.py.
(* keep_hierarchy *)
module popcount_and #(
  parameter  int unsigned Width     = 128,
  localparam int unsigned CountBits = $clog2(Width + 1)
) (
  input  logic                 clk_i,
  input  logic [Width-1:0]     a_i,
  input  logic [Width-1:0]     b_i,
  output logic [CountBits-1:0] count_o
);
  localparam int unsigned Third = (Width + 2) / 3;
  localparam int unsigned Sixth = (Third + 5) / 6;

  if (Width < 2) begin : gen_width
    $error("popcount_and: Width is %0d; at least 2 is needed", Width);
  end

  // Stage 1: sums of three products, 0..3 each.
  logic [Third-1:0] ones_q, twos_q;
  popcount3 #(.Width(Third)) u_fold (
    .clk_i, .a_i((3 * Third)'(a_i)), .b_i((3 * Third)'(b_i)), .ones_o(ones_q), .twos_o(twos_q)
  );

  // Stage 2: six of a weight into three bits.
  logic [Sixth-1:0] one_1, one_2, one_4, two_1, two_2, two_4;
  logic [Sixth-1:0] sum_1_q, sum_8_q;
  logic [2*Sixth-1:0] sum_2_q, sum_4_q;
  compress63 #(.Width(Sixth)) u_ones (
    .bits_i((6 * Sixth)'(ones_q)), .ones_o(one_1), .twos_o(one_2), .fours_o(one_4)
  );
  compress63 #(.Width(Sixth)) u_twos (
    .bits_i((6 * Sixth)'(twos_q)), .ones_o(two_1), .twos_o(two_2), .fours_o(two_4)
  );
  always_ff @(posedge clk_i) begin
    sum_1_q <= one_1;
    sum_2_q <= {one_2, two_1};
    sum_4_q <= {one_4, two_2};
    sum_8_q <= two_4;
  end

  // Stage 3: what is left, by weight.
  always_ff @(posedge clk_i) begin
    count_o <= CountBits'($countones(sum_1_q)) + (CountBits'($countones(sum_2_q)) << 1)
             + (CountBits'($countones(sum_4_q)) << 2) + (CountBits'($countones(sum_8_q)) << 3);
  end
endmodule
