// Sums up what the array gives for the taps of one output, and keeps it while the next one runs.
//
//   acc[p][c]  = sum over taps of sum_i[p][c]      total[p] = sum over taps of xsum_i[p]
// Both start anew with first_i; with shift_i they double instead. All modulo 2**AccBits.
// capture_o tells, 2 cycles after last_i, that acc_o and total_o are new: complete and held until
// the next capture. Throughput: a tap a cycle.
// Model: tests/rtl/engine_interpreter.py. Testbench: tests/rtl/testbench_engine_array.py.
module accumulate #(
  parameter int unsigned Cols     = 8,
  parameter int unsigned Pix      = 2,
  parameter int unsigned SumBits  = 11,
  parameter int unsigned XSumBits = 7,
  parameter int unsigned AccBits  = 20,
  parameter bit          Doubling = 1'b0
) (
  input  logic                                 clk_i,
  input  logic                                 rst_ni,
  input  logic                                 valid_i,
  input  logic                                 first_i,
  input  logic                                 last_i,
  input  logic                                 shift_i,
  input  logic [Pix-1:0][Cols-1:0][SumBits-1:0] sum_i,
  input  logic [Pix-1:0][XSumBits-1:0]         xsum_i,
  output logic                                 capture_o,
  output logic [Pix-1:0][Cols-1:0][AccBits-1:0] acc_o,
  output logic [Pix-1:0][AccBits-1:0]          total_o
);
  logic done_q;

  function automatic logic [AccBits-1:0] next(
    input logic [AccBits-1:0] old, input logic [AccBits-1:0] more,
    input logic first, input logic shift
  );
    if (Doubling && shift) return old << 1;
    return (first ? '0 : old) + more;
  endfunction

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      done_q    <= 1'b0;
      capture_o <= 1'b0;
    end else begin
      done_q    <= valid_i & last_i;
      capture_o <= done_q;
    end
  end

  for (genvar p = 0; p < Pix; p++) begin : gen_pix
    logic [AccBits-1:0] total_q;
    always_ff @(posedge clk_i) begin
      if (valid_i) total_q <= next(total_q, AccBits'(xsum_i[p]), first_i, shift_i);
      if (done_q) total_o[p] <= total_q;
    end
    for (genvar c = 0; c < Cols; c++) begin : gen_column
      logic [AccBits-1:0] acc_q;
      always_ff @(posedge clk_i) begin
        if (valid_i) acc_q <= next(acc_q, AccBits'(sum_i[p][c]), first_i, shift_i);
        if (done_q) acc_o[p][c] <= acc_q;
      end
    end
  end
endmodule
