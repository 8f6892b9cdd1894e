// The row of the greatest score; scores come one a cycle from row 0 on:
//   row_o = argmax over r < count_i of score r      ties go to the lowest row
//
// score_i signed Bits bits, row_o unsigned RowBits bits, count_i 1 .. 2**RowBits rows take part:
// later ones are masked. first_i comes with row 0.
// Latency: 1 cycle. Throughput: one score a cycle.
// Model: numpy's argmax, as crossloom.sim.simulator has it.
// Testbench: tests/rtl/testbench_engine_arithmetic.py.
module argmax #(
  parameter int unsigned Bits    = 48,
  parameter int unsigned RowBits = 16
) (
  input  logic                   clk_i,
  input  logic                   valid_i,
  input  logic                   first_i,
  input  logic signed [Bits-1:0] score_i,
  input  logic [RowBits:0]       count_i,
  output logic [RowBits-1:0]     row_o
);
  if (Bits < 1 || RowBits < 1) begin : gen_size
    $error("argmax: Bits is %0d, RowBits is %0d; at least 1 is needed", Bits, RowBits);
  end

  logic signed [Bits-1:0] best_q;
  logic [RowBits:0]       next_q;  // the row that comes next
  logic                   better;

  assign better = first_i | ((score_i > best_q) & (next_q < count_i));

  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      next_q <= first_i ? (RowBits+1)'(1) : next_q + 1'b1;
      if (better) begin
        best_q <= score_i;
        row_o  <= first_i ? '0 : next_q[RowBits-1:0];
      end
    end
  end
endmodule
