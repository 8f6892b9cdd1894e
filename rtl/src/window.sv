// Fetches a tap's codes: pixels (y_i, x_i + p * step_x_i) of one block of Rows channels.
//
//   bank = x mod Banks, word = base_i + row_i + plane_i + x / Banks
//   x_o[p] = that bank's word, or pad_i in every row where the pixel is outside height_i x width_i
// Two pixels that are both inside must be in different banks (`paired` in crossloom.rtl.plan).
// Codes unsigned XBits bits. Latency: tap to addr_o 2 cycles, words 1 cycle later (feature_memory),
// tap to x_o 4 cycles. Throughput: a tap a cycle.
// Model: tests/rtl/engine_interpreter.py. Bench: tests/rtl/test_engine_networks.py.
module window #(
  parameter  int unsigned Rows        = 8,
  parameter  int unsigned Pix         = 2,
  parameter  int unsigned XBits       = 4,
  parameter  int unsigned FeatureBits = 10,
  localparam int unsigned Banks       = Pix == 1 ? 1 : 2 * Pix,
  localparam int unsigned Log         = $clog2(Banks),
  localparam int unsigned BankBits    = Banks > 1 ? Log : 1
) (
  input  logic                                     clk_i,
  input  logic                                     rst_ni,
  input  logic                                     valid_i,
  input  logic                                     paired_i,
  input  logic [FeatureBits-1:0]                   base_i,
  input  logic [FeatureBits-1:0]                   row_i,
  input  logic [FeatureBits-1:0]                   plane_i,
  input  logic signed [13:0]                       y_i,
  input  logic signed [13:0]                       x_i,
  input  logic [7:0]                               step_x_i,
  input  logic [12:0]                              height_i,
  input  logic [12:0]                              width_i,
  input  logic [XBits-1:0]                         pad_i,
  output logic [Banks-1:0][FeatureBits-1:0]        addr_o,
  input  logic [Banks-1:0][Rows-1:0][XBits-1:0]    words_i,
  output logic [Pix-1:0][Rows-1:0][XBits-1:0]      x_o
);
  // Cycle 1: both parts of the address. Coordinates below 0 are large when unsigned.
  logic [FeatureBits-1:0]          block_q;
  logic [Pix-1:0][13:0]            x;
  logic [Pix-1:0][FeatureBits-1:0] column_q, word;
  logic [2:0][Pix-1:0]             inside_q;
  logic [2:0][Pix-1:0][1:0]        bank_q;
  logic [2:0][XBits-1:0]           pad_q;

  for (genvar p = 0; p < Pix; p++) begin : gen_x
    assign x[p]    = x_i + (p == 0 ? 14'd0 : 14'(step_x_i));
    assign word[p] = block_q + column_q[p];
    always_ff @(posedge clk_i) begin
      column_q[p]    <= plane_i + FeatureBits'(x[p] >> Log);
      inside_q[0][p] <= rst_ni & valid_i & (14'(y_i) < 14'(height_i)) & (x[p] < 14'(width_i))
                      & (p == 0 | paired_i);
      bank_q[0][p]   <= 2'(x[p] % 14'(Banks));
      x_o[p]         <= inside_q[2][p] ? words_i[BankBits'(bank_q[2][p])] : {Rows{pad_q[2]}};
    end
  end

  // Cycle 2: one address a bank.
  always_ff @(posedge clk_i) begin
    block_q <= base_i + row_i;
    pad_q   <= {pad_q[1:0], pad_i};
    {inside_q[2], inside_q[1]} <= {inside_q[1], inside_q[0]};
    {bank_q[2], bank_q[1]}     <= {bank_q[1], bank_q[0]};
    for (int unsigned b = 0; b < Banks; b++) begin
      addr_o[b] <= word[0];
      for (int unsigned p = 1; p < Pix; p++) begin
        if (inside_q[0][p] && bank_q[0][p] == 2'(b)) addr_o[b] <= word[p];
      end
    end
  end

`ifndef SYNTHESIS
  if (Pix == 2) begin : gen_promise
    apart: assert property (@(posedge clk_i) disable iff (!rst_ni)
      !((&inside_q[0]) && bank_q[0][0] == bank_q[0][Pix-1]))
      else $error("window: two pixels in a bank; one is read instead of the other");
  end
`endif
endmodule
