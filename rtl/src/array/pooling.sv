// Maxima of windows, for Pix pixels at once, kept while the next window runs.
//   capture_o: y_o[p][r] = max of x_i[p][r] over the taps from first_i to last_i
//
// Codes unsigned XBits bits. Latency: last_i to capture_o 2 cycles; y_o holds until the next one.
// Throughput: a tap a cycle.
// Model: crossloom.sim.ops.MaxPool. Testbench: tests/rtl/testbench_engine_array.py.
module pooling #(
  parameter int unsigned Rows  = 8,
  parameter int unsigned Pix   = 2,
  parameter int unsigned XBits = 4
) (
  input  logic                                 clk_i,
  input  logic                                 rst_ni,
  input  logic                                 valid_i,
  input  logic                                 first_i,
  input  logic                                 last_i,
  input  logic [Pix-1:0][Rows-1:0][XBits-1:0]  x_i,
  output logic                                 capture_o,
  output logic [Pix-1:0][Rows-1:0][XBits-1:0]  y_o
);
  logic [Pix-1:0][Rows-1:0][XBits-1:0] best;
  logic                                done_q;
  for (genvar p = 0; p < Pix; p++) begin : gen_pix
    pool #(.Lanes(Rows), .XBits(XBits)) u_pool (
      .clk_i, .valid_i, .first_i, .x_i(x_i[p]), .y_o(best[p])
    );
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      done_q    <= 1'b0;
      capture_o <= 1'b0;
    end else begin
      done_q    <= valid_i & last_i;
      capture_o <= done_q;
    end
    if (done_q) y_o <= best;
  end
endmodule
