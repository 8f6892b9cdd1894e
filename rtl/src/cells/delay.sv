// The same bits some cycles later: q_o = d_i of Cycles cycles ago. No reset. Cycles 0 is a wire.
//
// Testbench: tests/rtl/testbench_engine_array.py.
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
    // A register each, not one array: a simulator copies an array whole to move its parts.
    for (genvar k = 0; k < Cycles; k++) begin : gen_cycle
      logic [Bits-1:0] data_q;
      if (k == 0) begin : gen_first
        always_ff @(posedge clk_i) data_q <= d_i;
      end else begin : gen_next
        always_ff @(posedge clk_i) data_q <= gen_cycle[k-1].data_q;
      end
    end
    assign q_o = gen_cycle[Cycles-1].data_q;
  end
endmodule
