// One level of a tree: sums of three operands each, one cycle later; the last may have fewer.
//   sum_o[k] = d_i[3k] + d_i[3k+1] + d_i[3k+2]
//
// d_i unsigned Bits bits, sum_o unsigned OutBits bits, which the caller proves sufficient.
// Latency: 1 cycle. Throughput: one level a cycle.
// Testbench: tests/rtl/testbench_engine_array.py.
module sum_level #(
  parameter  int unsigned Count   = 3,
  parameter  int unsigned Bits    = 9,
  parameter  int unsigned OutBits = 11,
  localparam int unsigned Sums    = (Count + 2) / 3
) (
  input  logic                         clk_i,
  input  logic [Count-1:0][Bits-1:0]   d_i,
  output logic [Sums-1:0][OutBits-1:0] sum_o
);
  for (genvar k = 0; k < Sums; k++) begin : gen_sum
    if (3 * k + 2 < Count) begin : gen_three
      add3 #(.Bits(Bits), .OutBits(OutBits)) u_add (
        .clk_i, .a_i(d_i[3*k]), .b_i(d_i[3*k+1]), .c_i(d_i[3*k+2]), .sum_o(sum_o[k])
      );
    end else if (3 * k + 1 < Count) begin : gen_two
      always_ff @(posedge clk_i) sum_o[k] <= OutBits'(d_i[3*k]) + OutBits'(d_i[3*k+1]);
    end else begin : gen_one
      always_ff @(posedge clk_i) sum_o[k] <= OutBits'(d_i[3*k]);
    end
  end
endmodule
