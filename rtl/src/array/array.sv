// All products of an array in one cycle, summed along its rows:
//   sum_o[p][c] = sum over r < Rows of x_i[p][r] * w_i[c][r]
//   xsum_o[p]   = sum over r < Rows of x_i[p][r]
//
// x_i unsigned XBits bits (1..32), w_i unsigned WBits bits (1..17), sum_o and xsum_o unsigned and
// exact. A new set of Pix * Cols * Rows products enters every cycle; nothing is held or reset.
// Latency: array_pkg::latency(Rows, Cols, XBits, WBits, Pix == 2 ? Dsp : 0) cycles.
// With two pixels, up to Dsp DSP48E1 slices take four products each, evenly over pairs of columns;
// the rest is made of LUTs (array_pair). About 13 LUTs a product of 4 by 4 bits without DSP48E1.
// Model: numpy's integer matrix product.
// Testbench: tests/rtl/testbench_engine_array.py; more sizes and cost:
// tests/rtl/test_array.py; proof that both forms agree: tests/rtl/test_engine_proofs.py.
module array #(
  parameter  int unsigned Rows     = 32,
  parameter  int unsigned Cols     = 32,
  parameter  int unsigned Pix      = 2,
  parameter  int unsigned XBits    = 4,
  parameter  int unsigned WBits    = 4,
  parameter  int unsigned Dsp      = 220,
  localparam int unsigned SumBits  = XBits + WBits + $clog2(Rows),
  localparam int unsigned XSumBits = XBits + $clog2(Rows)
) (
  input  logic                                  clk_i,
  input  logic [Pix-1:0][Rows-1:0][XBits-1:0]   x_i,
  input  logic [Cols-1:0][Rows-1:0][WBits-1:0]  w_i,
  output logic [Pix-1:0][Cols-1:0][SumBits-1:0] sum_o,
  output logic [Pix-1:0][XSumBits-1:0]          xsum_o
);
  if (Rows < 1 || Cols < 1 || Pix < 1 || Pix > 2) begin : gen_size
    $error("array: Rows is %0d, Cols is %0d, Pix is %0d; 1+, 1+ and 1 or 2 are needed",
           Rows, Cols, Pix);
  end
  if (XBits < 1 || XBits > 32 || WBits < 1 || WBits > 17) begin : gen_bits
    $error("array: XBits is %0d, WBits is %0d; 1 to 32 and 1 to 17 are needed", XBits, WBits);
  end

`ifdef CROSSLOOM_BEHAVIOURAL
  // The same sums in as few operations as a simulator can do them in: both pixels in one product,
  // where that fits 64 bits. Proof that both forms agree: tests/rtl/test_engine_proofs.py.
  localparam int unsigned Cycles = array_pkg::latency(
    Rows, Cols, XBits, WBits, Pix == 2 ? Dsp : 0);
  localparam int unsigned Beside = Pix * SumBits <= 64 ? Pix : 1;
  localparam int unsigned Bits   = Beside * SumBits;
  for (genvar p = 0; p < Pix; p += Beside) begin : gen_behavioural
    logic [Bits-1:0] x [Rows];
    logic [Bits-1:0] x_sum, x_sum_q, x_sum_late;
    always_comb begin
      x_sum = '0;
      for (int unsigned r = 0; r < Rows; r++) begin
        for (int unsigned i = 0; i < Beside; i++) begin
          x[r][i*SumBits +: SumBits] = SumBits'(x_i[p+i][r]);
        end
        x_sum = x_sum + x[r];
      end
    end
    always_ff @(posedge clk_i) x_sum_q <= x_sum;
    delay #(.Bits(Bits), .Cycles(Cycles - 1)) u_x_sum (.clk_i, .d_i(x_sum_q), .q_o(x_sum_late));
    for (genvar i = 0; i < Beside; i++) begin : gen_x_sum
      logic unused;
      assign xsum_o[p+i] = x_sum_late[i*SumBits +: XSumBits];
      assign unused      = ^x_sum_late[i*SumBits+XSumBits +: WBits];
    end
    for (genvar c = 0; c < Cols; c++) begin : gen_column
      logic [Bits-1:0] sum, sum_q, sum_late;
      always_comb begin
        sum = '0;
        for (int unsigned r = 0; r < Rows; r++) sum = sum + x[r] * Bits'(w_i[c][r]);
      end
      always_ff @(posedge clk_i) sum_q <= sum;
      delay #(.Bits(Bits), .Cycles(Cycles - 1)) u_sum (.clk_i, .d_i(sum_q), .q_o(sum_late));
      for (genvar i = 0; i < Beside; i++) begin : gen_sum
        assign sum_o[p+i][c] = sum_late[i*SumBits +: SumBits];
      end
    end
  end
`else
  localparam int unsigned Slices    = Pix == 2 ? Dsp : 0;
  localparam int unsigned ChainRows = array_pkg::chain_rows(Rows, XBits, WBits);
  localparam int unsigned FieldBits = array_pkg::most(1, array_pkg::field_bits(XBits, WBits));
  localparam int unsigned Partial   = array_pkg::partial_latency(
    WBits, array_pkg::pair_chains(0, Rows, Cols, XBits, WBits, Slices), ChainRows);
  localparam int unsigned Levels    = array_pkg::tree_levels(Rows, Cols, XBits, WBits, Slices);
  localparam int unsigned Stages    = (WBits + 1) / 2;
  localparam int unsigned AllPairs  = (Rows + 1) / 2;

  // Pair k is rows Rows-1-2k and Rows-2-2k: DSP48E1 slices take the first rows.
  logic [Stages-1:0][Pix-1:0][AllPairs-1:0][1:0][XBits-1:0] x_q;  // j cycles later
  logic [Stages-1:0][Pix-1:0][AllPairs-1:0][XBits:0]        x_sum_q;
  for (genvar p = 0; p < Pix; p++) begin : gen_x
    for (genvar k = 0; k < AllPairs; k++) begin : gen_pair
      logic [1:0][XBits-1:0] x;
      assign x[0] = x_i[p][Rows-1-2*k];
      if (2 * k + 2 <= Rows) begin : gen_second
        assign x[1] = x_i[p][Rows-2-2*k];
      end else begin : gen_none
        assign x[1] = '0;
      end
      always_ff @(posedge clk_i) begin
        x_q[0][p][k]     <= x;
        x_sum_q[0][p][k] <= (XBits + 1)'(x[0]) + (XBits + 1)'(x[1]);
      end
    end
    sum_tree #(
      .Count(AllPairs), .Bits(XBits + 1), .Max((64'd2 << XBits) - 2), .OutBits(XSumBits),
      .Levels(Partial + Levels - 1)
    ) u_xsum (.clk_i, .d_i(x_sum_q[0][p]), .sum_o(xsum_o[p]));
  end
  for (genvar j = 1; j < Stages; j++) begin : gen_stage
    always_ff @(posedge clk_i) begin
      x_q[j]     <= x_q[j-1];
      x_sum_q[j] <= x_sum_q[j-1];
    end
  end

  for (genvar g = 0; g < (Cols + 1) / 2; g++) begin : gen_columns
    localparam int unsigned Both   = array_pkg::least(2, Cols - 2 * g);
    localparam int unsigned Chains =
      array_pkg::pair_chains(g, Rows, Cols, XBits, WBits, Slices);
    localparam int unsigned Ports  = array_pkg::most(Chains, 1);
    localparam int unsigned Left   = Rows - Chains * ChainRows;  // rows in LUTs
    localparam int unsigned Pairs  = (Left + 1) / 2;
    localparam int unsigned PairPorts = array_pkg::most(Pairs, 1);
    logic [Both-1:0][Ports-1:0][Pix-1:0][FieldBits-1:0] chain;

    if (Chains == 0) begin : gen_no_chain
      assign chain = '0;
    end
    for (genvar k = 0; k < Chains; k++) begin : gen_chain
      logic [1:0][ChainRows-1:0][XBits-1:0] x;
      logic [1:0][ChainRows-1:0][WBits-1:0] w;
      logic [3:0][FieldBits-1:0]            fields;
      for (genvar i = 0; i < 2; i++) begin : gen_two
        assign x[i] = x_i[i][k*ChainRows+:ChainRows];
        assign w[i] = w_i[2*g+i][k*ChainRows+:ChainRows];
        assign chain[i][k] = fields[2*i+:2];
      end
      logic [3:0][FieldBits-1:0] early;
      array_chain #(.Rows(ChainRows), .XBits(XBits), .WBits(WBits)) u_chain (
        .clk_i, .x_i(x), .w_i(w), .p_o(early)
      );
      delay #(
        .Bits(4 * FieldBits), .Cycles(Partial - 2 - (ChainRows + 1) / 2)
      ) u_delay (.clk_i, .d_i(early), .q_o(fields));
    end

    for (genvar i = 0; i < Both; i++) begin : gen_column
      localparam int unsigned C = 2 * g + i;
      logic [PairPorts-1:0][1:0][WBits-1:0] w;
      logic [Stages-1:0][Pix-1:0][PairPorts-1:0][1:0][XBits-1:0] x;
      logic [Stages-1:0][Pix-1:0][PairPorts-1:0][XBits:0]        x_sum;
      logic [Pix-1:0][SumBits-1:0] sum;
      for (genvar k = 0; k < 2 * PairPorts; k++) begin : gen_w
        if (k < Left) begin : gen_row
          assign w[k/2][k%2] = w_i[C][Rows-1-k];
        end else begin : gen_none
          assign w[k/2][k%2] = '0;
        end
      end
      for (genvar j = 0; j < Stages; j++) begin : gen_step
        for (genvar p = 0; p < Pix; p++) begin : gen_pix
          assign x[j][p]      = x_q[j][p][PairPorts-1:0];
          assign x_sum[j][p]  = x_sum_q[j][p][PairPorts-1:0];
        end
      end
      array_column #(
        .Pairs(Pairs), .Pix(Pix), .XBits(XBits), .WBits(WBits), .Chains(Chains),
        .ChainRows(ChainRows), .FieldBits(FieldBits), .SumBits(SumBits), .Partial(Partial),
        .Levels(Levels)
      ) u_column (.clk_i, .x_i(x), .x_sum_i(x_sum), .w_i(w), .chain_i(chain[i]), .sum_o(sum));
      for (genvar p = 0; p < Pix; p++) begin : gen_sum
        assign sum_o[p][C] = sum[p];
      end
    end
  end
`endif
endmodule
