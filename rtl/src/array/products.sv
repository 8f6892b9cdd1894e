// The array with what follows it: sums of an output's taps, or maxima, captured when the last came.
//
//   acc_o, total_o  sums of products and of codes, see accumulate       best_o  maxima, see pooling
// A tap's codes x_i and weights w_i come Fetch cycles after its flags: valid_i, pool_i (maxima, no
// sums), first_i and last_i of an output's step, shift_i (no tap: sums double).
// Latency: Fetch and the array's own to the sums, 2 cycles to a capture. Throughput: a tap a cycle.
// Model: tests/rtl/engine_interpreter.py. Testbench: tests/rtl/test_engine_networks.py.
module products #(
  parameter  int unsigned Rows     = 8,
  parameter  int unsigned Cols     = 8,
  parameter  int unsigned Pix      = 2,
  parameter  int unsigned XBits    = 4,
  parameter  int unsigned WBits    = 4,
  parameter  int unsigned AccBits  = 20,
  parameter  int unsigned Dsp      = 0,
  parameter  int unsigned Fetch    = 4,
  parameter  bit          Doubling = 1'b0,
  localparam int unsigned SumBits  = XBits + WBits + $clog2(Rows),
  localparam int unsigned XSumBits = XBits + $clog2(Rows),
  localparam int unsigned Array    =
    array_pkg::latency(Rows, Cols, XBits, WBits, Pix == 2 ? Dsp : 0)
) (
  input  logic                                  clk_i,
  input  logic                                  rst_ni,
  input  logic                                  valid_i,
  input  logic                                  pool_i,
  input  logic                                  first_i,
  input  logic                                  last_i,
  input  logic                                  shift_i,
  input  logic [Pix-1:0][Rows-1:0][XBits-1:0]   x_i,
  input  logic [Cols-1:0][Rows-1:0][WBits-1:0]  w_i,
  output logic                                  acc_capture_o,
  output logic [Pix-1:0][Cols-1:0][AccBits-1:0] acc_o,
  output logic [Pix-1:0][AccBits-1:0]           total_o,
  output logic                                  pool_capture_o,
  output logic [Pix-1:0][Rows-1:0][XBits-1:0]   best_o
);
  // Beside the taps: valid for maxima and for sums; first, last, shift.
  logic [Fetch+Array-1:0][1:0] valid_q;
  logic [2:0]                  flags, early_flags;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= '0;
    else valid_q <= {valid_q[Fetch+Array-2:0], valid_i & pool_i, valid_i & ~pool_i};
  end
  delay #(.Bits(3), .Cycles(Fetch)) u_early (
    .clk_i, .d_i({first_i, last_i, shift_i}), .q_o(early_flags)
  );
  delay #(.Bits(3), .Cycles(Array)) u_flags (.clk_i, .d_i(early_flags), .q_o(flags));

  logic [Pix-1:0][Cols-1:0][SumBits-1:0] sum;
  logic [Pix-1:0][XSumBits-1:0]          xsum;
  array #(
    .Rows(Rows), .Cols(Cols), .Pix(Pix), .XBits(XBits), .WBits(WBits), .Dsp(Dsp)
  ) u_array (.clk_i, .x_i, .w_i, .sum_o(sum), .xsum_o(xsum));
  accumulate #(
    .Cols(Cols), .Pix(Pix), .SumBits(SumBits), .XSumBits(XSumBits), .AccBits(AccBits),
    .Doubling(Doubling)
  ) u_accumulate (
    .clk_i, .rst_ni, .valid_i(valid_q[Fetch+Array-1][0]), .first_i(flags[2]), .last_i(flags[1]),
    .shift_i(flags[0]), .sum_i(sum), .xsum_i(xsum), .capture_o(acc_capture_o), .acc_o, .total_o
  );
  pooling #(.Rows(Rows), .Pix(Pix), .XBits(XBits)) u_pooling (
    .clk_i, .rst_ni, .valid_i(valid_q[Fetch-1][1]), .first_i(early_flags[2]),
    .last_i(early_flags[1]), .x_i, .capture_o(pool_capture_o), .y_o(best_o)
  );
endmodule
