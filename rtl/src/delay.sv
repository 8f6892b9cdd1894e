// The same bits some cycles later: q_o = d_i of Cycles cycles ago. No reset. Cycles 0 is a wire.
//
// Bench: tests/rtl/bench_engine_array.py.
module delay #(
  parameter int unsigned Bits   = 8,
  parameter int unsigned Cycles = 1
) (
  input  logic            clk_i,
  input  logic [Bits-1:0] d_i,
  output logic [Bits-1:0] q_o
);
  if (Cycles == 0) begin : gen_wire
    assign q_o = d_i;
    logic unused;
    assign unused = clk_i;
  end else begin : gen_registers
    logic [Cycles-1:0][Bits-1:0] data_q;
    assign q_o = data_q[Cycles-1];
    always_ff @(posedge clk_i) begin
      data_q[0] <= d_i;
      for (int unsigned k = 1; k < Cycles; k++) data_q[k] <= data_q[k-1];
    end
  end
endmodule
