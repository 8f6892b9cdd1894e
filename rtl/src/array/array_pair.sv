// Two products and their sum in LUTs: p_o = x[0]*w[0] + x[1]*w[1].
//
// x unsigned XBits bits, w unsigned WBits bits, p_o unsigned XBits+WBits+1 bits. For each bit b of
// the weights, 0, x[0], x[1] or x_sum = x[0]+x[1] is added at place b: a LUT6 and a carry a bit, so
// WBits * (XBits+1) LUTs. The sum x_sum serves all columns of an array.
// Two bits b a cycle: x_i[j], x_sum_i[j] and w_i[..][2j+1:2j] belong together j cycles after j = 0.
// Latency: (WBits+1)/2 cycles from j = 0. Throughput: one sum a cycle.
// Testbench: tests/rtl/testbench_engine_array.py.
module array_pair #(
  parameter  int unsigned XBits  = 4,
  parameter  int unsigned WBits  = 4,
  localparam int unsigned Stages = (WBits + 1) / 2
) (
  input  logic                              clk_i,
  input  logic [Stages-1:0][1:0][XBits-1:0] x_i,
  input  logic [Stages-1:0][XBits:0]        x_sum_i,
  input  logic [1:0][WBits-1:0]             w_i,
  output logic [XBits+WBits:0]              p_o
);
  localparam int unsigned Bits = XBits + WBits + 1;

  logic [Stages:0][Bits-1:0] p_q;
  assign p_q[0] = '0;
  assign p_o    = p_q[Stages];

  for (genvar j = 0; j < Stages; j++) begin : gen_stage
    logic [Bits-1:0]  p;
    logic [XBits+1:0] first, second, both, choice;
    assign first  = (XBits + 2)'(x_i[j][0]);
    assign second = (XBits + 2)'(x_i[j][1]);
    assign both   = (XBits + 2)'(x_sum_i[j]);
    always_comb begin
      p = p_q[j];
      for (int unsigned b = 2 * j; b < 2 * j + 2 && b < WBits; b++) begin
        // A choice by one bit of both: decoded bits would be shared and cost LUTs of their own.
        choice = w_i[0][b] ? (w_i[1][b] ? both : first) : (w_i[1][b] ? second : '0);
        // The sum so far goes first: Yosys takes the first operand for the carry's DI, and the
        // choice then fits into the LUT of the sum.
        p[b+:XBits+2] = (XBits + 2)'(p[b+:XBits+1]) + choice;
      end
    end
    always_ff @(posedge clk_i) p_q[j+1] <= p;
  end
endmodule
