// Proof that the array and its behavioural form, array_behavioural, give the same sums: the sums of
// a cycle depend on the inputs of the Latency cycles before alone, so Latency cycles from any state
// are all there is.
module array_proof #(
  parameter  int unsigned Rows    = 2,
  parameter  int unsigned Cols    = 1,
  parameter  int unsigned Pix     = 1,
  parameter  int unsigned XBits   = 4,
  parameter  int unsigned WBits   = 4,
  parameter  int unsigned Dsp     = 0,
  parameter  int unsigned Latency = 4,
  localparam int unsigned SumBits = XBits + WBits + $clog2(Rows)
) (
  input logic                                 clk_i,
  input logic [Pix-1:0][Rows-1:0][XBits-1:0]  x_i,
  input logic [Cols-1:0][Rows-1:0][WBits-1:0] w_i
);
  logic [Pix-1:0][Cols-1:0][SumBits-1:0]      sum, behavioural;
  logic [Pix-1:0][XBits+$clog2(Rows)-1:0]     xsum, behavioural_xsum;
  array #(
    .Rows(Rows), .Cols(Cols), .Pix(Pix), .XBits(XBits), .WBits(WBits), .Dsp(Dsp)
  ) u_dut (.clk_i, .x_i, .w_i, .sum_o(sum), .xsum_o(xsum));
  array_behavioural #(
    .Rows(Rows), .Cols(Cols), .Pix(Pix), .XBits(XBits), .WBits(WBits), .Dsp(Dsp)
  ) u_behavioural (.clk_i, .x_i, .w_i, .sum_o(behavioural), .xsum_o(behavioural_xsum));

  logic [7:0] cycle = '0;
  always_ff @(posedge clk_i) if (cycle != 8'(Latency)) cycle <= cycle + 8'd1;
  always_comb if (cycle == 8'(Latency)) assert (sum == behavioural && xsum == behavioural_xsum);
endmodule
