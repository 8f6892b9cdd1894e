// A promise of every stream, for simulation: an item that waits stays, and stays the same.
//
// valid_i, ready_i and data_i are those of the stream. Where the promise is broken, an assertion
// fails that names the instance. Instances stand between `ifndef SYNTHESIS and `endif.
// Testbench: tests/rtl/test_engine_parts.py (as a top).
module stream_check #(
  parameter int unsigned Bits = 8
) (
  input logic            clk_i,
  input logic            rst_ni,
  input logic            valid_i,
  input logic            ready_i,
  input logic [Bits-1:0] data_i
);
  logic            waiting_q;
  logic [Bits-1:0] data_q;

  // Not a concurrent assertion: a simulator samples all that one names, in every step.
  always_ff @(posedge clk_i) begin
    waiting_q <= rst_ni & valid_i & ~ready_i;
    if (valid_i & ~ready_i) data_q <= data_i;
    if (rst_ni & waiting_q) begin
      hold: assert (valid_i && data_i == data_q)
        else $error("%m: a waiting item changed or was withdrawn; its reader gets another one");
    end
  end
endmodule
