// Proof of skid: item_monitor's promises, and no deadlock: an item inside is offered at once, and
// while there is room for two, one is taken.
module skid_proof #(
  parameter int unsigned Bits = 4
) (
  input logic            clk_i,
  input logic            rst_ni,
  input logic            pick_i,
  input logic            s_valid_i,
  input logic [Bits-1:0] s_data_i,
  input logic            m_ready_i
);
  logic            s_ready, m_valid, checked, tracked;
  logic [Bits-1:0] m_data, data;
  logic [1:0]      level, ahead;
  skid #(.Bits(Bits)) u_dut (
    .clk_i, .rst_ni, .s_valid_i, .s_ready_o(s_ready), .s_data_i, .m_valid_o(m_valid), .m_ready_i,
    .m_data_o(m_data)
  );
  item_monitor #(.Bits(Bits), .LevelBits(2)) u_monitor (
    .clk_i, .rst_ni, .pick_i, .s_valid_i, .s_ready_i(s_ready), .s_data_i, .m_valid_i(m_valid),
    .m_ready_i, .m_data_i(m_data), .checked_o(checked), .inside_o(tracked), .level_o(level),
    .ahead_o(ahead), .data_o(data)
  );
  always_comb begin
    if (checked) begin
      assert (m_valid == (level != 2'd0));
      assert (s_ready == (level < 2'd2));
      // What makes it inductive: where the items are.
      assert (level == 2'(u_dut.valid_q) + 2'(u_dut.spare_valid_q));
      if (tracked) assert (data == (ahead == 2'd0 ? u_dut.data_q : u_dut.spare_q));
    end
  end
endmodule
