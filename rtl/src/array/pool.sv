// A running maximum of unsigned codes, one a lane:
//   y_o[l] = max of x_i[l] over the valid cycles since the last one with first_i
//
// x_i, y_o unsigned XBits bits (codes less the type's minimum, so padding is 0).
// Latency: 1 cycle. Throughput: one window tap a cycle.
// Model: crossloom.sim.ops.MaxPool. Testbench: tests/rtl/testbench_engine_arithmetic.py.
module pool #(
  parameter int unsigned Lanes = 8,
  parameter int unsigned XBits = 4
) (
  input  logic                        clk_i,
  input  logic                        valid_i,
  input  logic                        first_i,  // starts a window
  input  logic [Lanes-1:0][XBits-1:0] x_i,
  output logic [Lanes-1:0][XBits-1:0] y_o
);
  if (Lanes < 1 || XBits < 1) begin : gen_size
    $error("pool: Lanes is %0d, XBits is %0d; at least 1 is needed", Lanes, XBits);
  end

  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      for (int unsigned l = 0; l < Lanes; l++) if (first_i | (x_i[l] > y_o[l])) y_o[l] <= x_i[l];
    end
  end
endmodule
