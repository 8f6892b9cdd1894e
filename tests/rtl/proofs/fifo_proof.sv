// Proof of fifo: item_monitor's promises, and no deadlock: an item inside is offered in the next
// cycle at the latest, and while the memory has room, one is taken. level_o is the number inside.
module fifo_proof #(
  parameter  int unsigned Bits      = 2,
  parameter  int unsigned Depth     = 4,
  localparam int unsigned LevelBits = $clog2(Depth + 2)
) (
  input logic            clk_i,
  input logic            rst_ni,
  input logic            pick_i,
  input logic            s_valid_i,
  input logic [Bits-1:0] s_data_i,
  input logic            m_ready_i
);
  logic                 s_ready, m_valid, checked, tracked, waited_q;
  logic [Bits-1:0]      m_data, data;
  logic [LevelBits-1:0] level, ahead, told;
  fifo #(.Bits(Bits), .Depth(Depth)) u_dut (
    .clk_i, .rst_ni, .s_valid_i, .s_ready_o(s_ready), .s_data_i, .m_valid_o(m_valid), .m_ready_i,
    .m_data_o(m_data), .level_o(told)
  );
  item_monitor #(.Bits(Bits), .LevelBits(LevelBits)) u_monitor (
    .clk_i, .rst_ni, .pick_i, .s_valid_i, .s_ready_i(s_ready), .s_data_i, .m_valid_i(m_valid),
    .m_ready_i, .m_data_i(m_data), .checked_o(checked), .inside_o(tracked), .level_o(level),
    .ahead_o(ahead), .data_o(data)
  );
  always_ff @(posedge clk_i) waited_q <= rst_ni & (level != '0) & ~m_valid;

  // Where the items are: in a ring from read_q on, behind the register.
  int unsigned read, write, stored, place;
  assign read   = 32'(u_dut.read_q);
  assign write  = 32'(u_dut.write_q);
  assign stored = 32'(u_dut.stored_q);
  assign place  = (read + 32'(ahead) - 32'(u_dut.valid_q)) % Depth;
  always_comb begin
    if (checked) begin
      assert (told == level);
      if (waited_q) assert (m_valid);
      assert (s_ready == (stored < Depth));
      // What makes it inductive.
      assert (stored <= Depth && read < Depth && write == (read + stored) % Depth);
      if (tracked) begin
        if (u_dut.valid_q && ahead == '0) assert (data == u_dut.data_q);
        else assert (data == u_dut.mem[place]);
      end
    end
  end
endmodule
