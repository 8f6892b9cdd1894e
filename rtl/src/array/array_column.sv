// A column of an array:
//   sum_o[p] = sum over rows r of x[p][r] * w[r] + sum over k of chain_i[k][p]
//
// Pairs pairs of rows are multiplied in LUTs (array_pair); Chains sums of other rows come from
// DSP48E1 slices. x unsigned XBits bits, w unsigned WBits bits; chain_i unsigned FieldBits bits, a
// sum of ChainRows products; sum_o unsigned SumBits bits, which the caller proves sufficient.
// x_i[j] and x_sum_i[j], the rows and the sums of their pairs, come j + 1 cycles after w_i, and
// chain_i comes Partial cycles after w_i.
// Latency: Partial + Levels cycles from w_i. Throughput: one sum a cycle.
// Testbench: tests/rtl/testbench_engine_array.py.
(* keep_hierarchy *)
module array_column #(
  parameter  int unsigned Pairs     = 6,
  parameter  int unsigned Pix       = 2,
  parameter  int unsigned XBits     = 4,
  parameter  int unsigned WBits     = 4,
  parameter  int unsigned Chains    = 1,
  parameter  int unsigned ChainRows = 4,
  parameter  int unsigned FieldBits = 10,
  parameter  int unsigned SumBits   = 12,
  parameter  int unsigned Partial   = 4,
  parameter  int unsigned Levels    = 1,
  localparam int unsigned Stages    = (WBits + 1) / 2,
  // A port has one element at least.
  localparam int unsigned PairPorts  = array_pkg::most(Pairs, 1),
  localparam int unsigned ChainPorts = array_pkg::most(Chains, 1)
) (
  input  logic                                                      clk_i,
  input  logic [Stages-1:0][Pix-1:0][PairPorts-1:0][1:0][XBits-1:0] x_i,
  input  logic [Stages-1:0][Pix-1:0][PairPorts-1:0][XBits:0]        x_sum_i,
  input  logic [PairPorts-1:0][1:0][WBits-1:0]                      w_i,
  input  logic [ChainPorts-1:0][Pix-1:0][FieldBits-1:0]             chain_i,
  output logic [Pix-1:0][SumBits-1:0]                               sum_o
);
  localparam longint unsigned Product  = ((64'd1 << XBits) - 1) * ((64'd1 << WBits) - 1);
  localparam int unsigned     Sums     = (Pairs + 2) / 3;  // of up to six rows
  localparam int unsigned     Operands = Sums + Chains;
  localparam longint unsigned Max      = Product * array_pkg::most(
    2 * array_pkg::least(Pairs, 3), Chains == 0 ? 0 : ChainRows);
  localparam int unsigned     Bits     = array_pkg::least($clog2(Max + 1), SumBits);

  logic [Pix-1:0][Operands-1:0][Bits-1:0] operands;

  if (Pairs > 0) begin : gen_pairs
    localparam int unsigned Early = Partial - Stages - 2;
    logic [Pairs-1:0][1:0][WBits-1:0] w_q;  // bits 2j and 2j+1 come j cycles late

    for (genvar b = 0; b < WBits; b++) begin : gen_bit
      logic [Pairs-1:0][1:0] bit_d, bit_q;
      for (genvar k = 0; k < 2 * Pairs; k++) begin : gen_row
        assign bit_d[k/2][k%2]  = w_i[k/2][k%2][b];
        assign w_q[k/2][k%2][b] = bit_q[k/2][k%2];
      end
      delay #(.Bits(2 * Pairs), .Cycles(1 + b / 2)) u_delay (.clk_i, .d_i(bit_d), .q_o(bit_q));
    end

    for (genvar p = 0; p < Pix; p++) begin : gen_pix
      logic [Pairs-1:0][XBits+WBits:0] products;
      logic [Sums-1:0][Bits-1:0]       sums;
      for (genvar k = 0; k < Pairs; k++) begin : gen_pair
        logic [Stages-1:0][1:0][XBits-1:0] x;
        logic [Stages-1:0][XBits:0]        x_sum;
        for (genvar j = 0; j < Stages; j++) begin : gen_stage
          assign x[j]     = x_i[j][p][k];
          assign x_sum[j] = x_sum_i[j][p][k];
        end
        array_pair #(.XBits(XBits), .WBits(WBits)) u_pair (
          .clk_i, .x_i(x), .x_sum_i(x_sum), .w_i(w_q[k]), .p_o(products[k])
        );
      end
      sum_level #(.Count(Pairs), .Bits(XBits + WBits + 1), .OutBits(Bits)) u_level (
        .clk_i, .d_i(products), .sum_o(sums)
      );
      delay #(.Bits(Sums * Bits), .Cycles(Early)) u_delay (
        .clk_i, .d_i(sums), .q_o(operands[p][Sums-1:0])
      );
    end
  end else begin : gen_no_pairs
    logic unused;
    assign unused = ^{x_i, x_sum_i, w_i};
  end

  for (genvar p = 0; p < Pix; p++) begin : gen_sum
    for (genvar k = 0; k < Chains; k++) begin : gen_chain
      assign operands[p][Sums+k] = Bits'(chain_i[k][p]);
    end
    sum_tree #(
      .Count(Operands), .Bits(Bits), .Max(Max), .OutBits(SumBits), .Levels(Levels)
    ) u_tree (.clk_i, .d_i(operands[p]), .sum_o(sum_o[p]));
  end
  if (Chains == 0) begin : gen_no_chains
    logic unused;
    assign unused = ^chain_i;
  end
endmodule
