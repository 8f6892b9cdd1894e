// The sum of Count numbers: sum_o = sum over k of d_i[k], Levels cycles later.
//
// d_i unsigned Bits bits, none above Max; sum_o unsigned OutBits bits, which the caller proves
// sufficient. A tree of ternary adders with a register after each level, then plain registers up to
// Levels. Throughput: one sum a cycle. Testbench: tests/rtl/testbench_engine_array.py.
module sum_tree #(
  parameter int unsigned     Count   = 9,
  parameter int unsigned     Bits    = 4,
  parameter longint unsigned Max     = 15,
  parameter int unsigned     OutBits = 8,
  parameter int unsigned     Levels  = array_pkg::levels(Count)
) (
  input  logic                       clk_i,
  input  logic [Count-1:0][Bits-1:0] d_i,
  output logic [OutBits-1:0]         sum_o
);
  if (Levels < array_pkg::levels(Count)) begin : gen_levels
    $error("sum_tree: Levels is %0d; %0d are needed", Levels, array_pkg::levels(Count));
  end

  localparam int unsigned Depth = array_pkg::levels(Count);

  // Bits of the sums of up to 3**level operands.
  function automatic int unsigned bits_of(input int unsigned level);
    longint unsigned most;
    most = Max;
    if (level == 0) return Bits;
    for (int unsigned l = 0; l < level; l++) most = most * 3;
    return array_pkg::least($clog2(most + 1), OutBits);
  endfunction

  for (genvar l = 0; l < Depth; l++) begin : gen_level
    localparam int unsigned From = array_pkg::left_after(Count, l);
    localparam int unsigned Into = array_pkg::left_after(Count, l + 1);
    logic [Into-1:0][bits_of(l+1)-1:0] sums;
    if (l == 0) begin : gen_first
      sum_level #(.Count(From), .Bits(Bits), .OutBits(bits_of(1))) u_level (
        .clk_i, .d_i, .sum_o(sums)
      );
    end else begin : gen_next
      sum_level #(.Count(From), .Bits(bits_of(l)), .OutBits(bits_of(l + 1))) u_level (
        .clk_i, .d_i(gen_level[l-1].sums), .sum_o(sums)
      );
    end
  end

  logic [OutBits-1:0] sum;
  if (Depth == 0) begin : gen_single
    assign sum = OutBits'(d_i);
    logic unused;  // the upper bits, zeros, where Bits > OutBits
    assign unused = ^d_i;
  end else begin : gen_sum
    assign sum = OutBits'(gen_level[Depth-1].sums);
  end
  localparam int unsigned Late = Levels < Depth ? 0 : Levels - Depth;
  delay #(.Bits(OutBits), .Cycles(Late)) u_delay (.clk_i, .d_i(sum), .q_o(sum_o));
endmodule
