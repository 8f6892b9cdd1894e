// A register in the middle of a stream: neither valid, data nor ready pass through combinationally.
//
// What enters leaves once, in order. Bits is the width of an item.
// Latency: 1 cycle. Throughput: one item a cycle; room for two, so that a sudden stall loses none.
// Testbench: tests/rtl/testbench_engine_streams.py; proof: tests/rtl/test_engine_proofs.py.
module skid #(
  parameter int unsigned Bits = 64
) (
  input  logic            clk_i,
  input  logic            rst_ni,
  input  logic            s_valid_i,
  output logic            s_ready_o,
  input  logic [Bits-1:0] s_data_i,
  output logic            m_valid_o,
  input  logic            m_ready_i,
  output logic [Bits-1:0] m_data_o
);
  if (Bits < 1) begin : gen_bits
    $error("skid: Bits is %0d; at least 1 is needed", Bits);
  end

  logic            valid_q, spare_valid_q, advance;
  logic [Bits-1:0] data_q, spare_q;

  // The spare takes what comes in the cycle in which the output stalls.
  assign advance   = m_ready_i | ~valid_q;
  assign s_ready_o = ~spare_valid_q;
  assign m_valid_o = valid_q;
  assign m_data_o  = data_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q       <= 1'b0;
      spare_valid_q <= 1'b0;
    end else if (advance) begin
      valid_q       <= s_valid_i | spare_valid_q;
      spare_valid_q <= 1'b0;
    end else if (s_valid_i) begin
      spare_valid_q <= 1'b1;
    end
    if (advance) data_q <= spare_valid_q ? spare_q : s_data_i;
    if (s_ready_o) spare_q <= s_data_i;
  end

`ifndef SYNTHESIS
  stream_check #(.Bits(Bits)) u_check (
    .clk_i, .rst_ni, .valid_i(m_valid_o), .ready_i(m_ready_i), .data_i(m_data_o)
  );
`endif
endmodule
