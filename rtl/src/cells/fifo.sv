// A queue of a stream: what enters leaves once, in order.
//
// Depth items of Bits bits wait in a memory, one more in a register behind it; level_o counts both.
// Latency: 2 cycles. Throughput: one item a cycle. s_ready_o and m_valid_o come from registers.
// Testbench: tests/rtl/testbench_engine_streams.py; proof: tests/rtl/test_engine_proofs.py.
module fifo #(
  parameter  int unsigned Bits      = 64,
  parameter  int unsigned Depth     = 16,
  localparam int unsigned AddrBits  = Depth > 1 ? $clog2(Depth) : 1,
  localparam int unsigned LevelBits = $clog2(Depth + 2)
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 s_valid_i,
  output logic                 s_ready_o,
  input  logic [Bits-1:0]      s_data_i,
  output logic                 m_valid_o,
  input  logic                 m_ready_i,
  output logic [Bits-1:0]      m_data_o,
  output logic [LevelBits-1:0] level_o    // items inside, 0 .. Depth + 1
);
  if (Bits < 1 || Depth < 2) begin : gen_size
    $error("fifo: Bits is %0d, Depth is %0d; at least 1 and 2 are needed", Bits, Depth);
  end

  logic [Bits-1:0]      mem [Depth];
  logic [AddrBits-1:0]  write_q, read_q;
  logic [LevelBits-1:0] stored_q;  // items in the memory
  logic                 full_q, valid_q, push, fetch;
  logic [Bits-1:0]      data_q;

  assign s_ready_o = ~full_q;
  assign m_valid_o = valid_q;
  assign m_data_o  = data_q;
  assign level_o   = stored_q + LevelBits'(valid_q);
  assign push      = s_valid_i & s_ready_o;
  assign fetch     = (stored_q != '0) & (m_ready_i | ~valid_q);

  function automatic logic [AddrBits-1:0] next(input logic [AddrBits-1:0] addr);
    return addr == AddrBits'(Depth - 1) ? '0 : addr + 1'b1;
  endfunction

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      write_q  <= '0;
      read_q   <= '0;
      stored_q <= '0;
      full_q   <= 1'b0;
      valid_q  <= 1'b0;
    end else begin
      if (push) write_q <= next(write_q);
      if (fetch) read_q <= next(read_q);
      stored_q <= stored_q + LevelBits'(push) - LevelBits'(fetch);
      if (push != fetch) full_q <= push & (stored_q == LevelBits'(Depth - 1));
      if (fetch) valid_q <= 1'b1;
      else if (m_ready_i) valid_q <= 1'b0;
    end
  end
  always_ff @(posedge clk_i) if (push) mem[write_q] <= s_data_i;
  always_ff @(posedge clk_i) if (fetch) data_q <= mem[read_q];

`ifndef SYNTHESIS
  stream_check #(.Bits(Bits)) u_check (
    .clk_i, .rst_ni, .valid_i(m_valid_o), .ready_i(m_ready_i), .data_i(m_data_o)
  );
`endif
endmodule
