// Fetches a tap's codes: pixels (y_i, x_i + p * step_x_i) of one block of Rows channels.
//
//   bank = x mod Banks, word = base_i + row_i + plane_i + x / Banks
//   x_o[p] = that bank's word, or pad_i in every row where the pixel is outside height_i x width_i
// Two pixels that are both inside must be in different banks (`paired` in crossloom.rtl.plan).
// folded_i: rows j * Fold ... of x_o[p] are the first Fold codes of pixel x_i + p + j instead: one
// tap reads as many columns of a window as fit rows and banks. Fold is 0 where nothing does.
// Codes unsigned XBits bits. Latency: tap to addr_o 2 cycles, words 1 cycle later (feature_memory),
// tap to x_o 4 cycles. Throughput: a tap a cycle.
// Model: tests/rtl/engine_interpreter.py. Bench: tests/rtl/bench_engine_array.py.
module window #(
  parameter  int unsigned Rows        = 8,
  parameter  int unsigned Pix         = 2,
  parameter  int unsigned XBits       = 4,
  parameter  int unsigned FeatureBits = 10,
  parameter  int unsigned Fold        = 0,
  localparam int unsigned Banks       = Pix == 1 ? 1 : 2 * Pix,
  localparam int unsigned Log         = $clog2(Banks),
  localparam int unsigned BankBits    = Banks > 1 ? Log : 1
) (
  input  logic                                     clk_i,
  input  logic                                     rst_ni,
  input  logic                                     valid_i,
  input  logic                                     paired_i,
  input  logic                                     folded_i,
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
  logic [Pix-1:0][Rows-1:0][XBits-1:0] apart, fold;
  logic [Banks-1:0]                    next;

  for (genvar p = 0; p < Pix; p++) begin : gen_x
    assign x[p]    = x_i + (p == 0 ? 14'd0 : 14'(step_x_i));
    assign word[p] = block_q + column_q[p];
    always_ff @(posedge clk_i) begin
      column_q[p]    <= plane_i + FeatureBits'($signed(x[p]) >>> Log);
      inside_q[0][p] <= rst_ni & valid_i & (14'(y_i) < 14'(height_i)) & (x[p] < 14'(width_i))
                      & (p == 0 | paired_i);
      bank_q[0][p]   <= 2'(x[p] % 14'(Banks));
      x_o[p]         <= fold[p];
    end
    assign apart[p] = inside_q[2][p] ? words_i[BankBits'(bank_q[2][p])] : {Rows{pad_q[2]}};
  end

  // Columns side by side: pixel x + n is in bank (x + n) mod Banks, one word on where that wraps.
  if (Fold > 0 && Pix == 2) begin : gen_fold
    localparam int unsigned Taps = Rows / Fold < Banks - 1 ? Rows / Fold : Banks - 1;
    logic [2:0]            folded_q;
    logic [2:0][Banks-1:0] near_q;
    always_ff @(posedge clk_i) begin
      folded_q <= {folded_q[1:0], folded_i};
      {near_q[2], near_q[1]} <= {near_q[1], near_q[0]};
      for (int unsigned n = 0; n < Banks; n++) begin
        near_q[0][n] <= (14'(y_i) < 14'(height_i)) & (14'(x_i) + 14'(n) < 14'(width_i));
      end
    end
    assign next[Banks-1] = 1'b0;
    for (genvar b = 0; b < Banks - 1; b++) begin : gen_next
      assign next[b] = folded_q[0] & (2'(b) < bank_q[0][0]);
    end
    for (genvar p = 0; p < Pix; p++) begin : gen_pix
      for (genvar r = 0; r < Rows; r++) begin : gen_row
        if (r < Taps * Fold) begin : gen_tap
          localparam int unsigned N = p + r / Fold;
          logic [1:0] bank;
          assign bank = bank_q[2][0] + 2'(N);
          assign fold[p][r] = ~folded_q[2] ? apart[p][r]
                            : near_q[2][N] ? words_i[bank][r%Fold] : pad_q[2];
        end else begin : gen_none
          assign fold[p][r] = apart[p][r];
        end
      end
    end
  end else begin : gen_no_fold
    assign fold = apart;
    assign next = '0;
    logic unused;
    assign unused = folded_i;
  end

  // Cycle 2: one address a bank.
  always_ff @(posedge clk_i) begin
    block_q <= base_i + row_i;
    pad_q   <= {pad_q[1:0], pad_i};
    {inside_q[2], inside_q[1]} <= {inside_q[1], inside_q[0]};
    {bank_q[2], bank_q[1]}     <= {bank_q[1], bank_q[0]};
    for (int unsigned b = 0; b < Banks; b++) begin
      addr_o[b] <= word[0] + FeatureBits'(next[b]);
      for (int unsigned p = 1; p < Pix; p++) begin
        if (inside_q[0][p] && bank_q[0][p] == 2'(b)) addr_o[b] <= word[p];  // the same if folded
      end
    end
  end

`ifndef SYNTHESIS
  if (Pix == 2) begin : gen_promise
    banks: assert property (@(posedge clk_i) disable iff (!rst_ni)
      !((&inside_q[0]) && bank_q[0][0] == bank_q[0][Pix-1]))
      else $error("window: two pixels in a bank; one is read instead of the other");
  end
`endif
endmodule
