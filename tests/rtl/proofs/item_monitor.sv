// Follows one chosen item, any one, through a stream part: it leaves once, in its turn, unchanged.
//
// pick_i is free: the proof holds for whichever item is chosen, one after another. level_o counts
// the items inside; ahead_o those that leave before the chosen one, which has data_o.
module item_monitor #(
  parameter int unsigned Bits      = 4,
  parameter int unsigned LevelBits = 3
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 pick_i,
  input  logic                 s_valid_i,
  input  logic                 s_ready_i,
  input  logic [Bits-1:0]      s_data_i,
  input  logic                 m_valid_i,
  input  logic                 m_ready_i,
  input  logic [Bits-1:0]      m_data_i,
  output logic                 checked_o,  // after the first reset
  output logic                 inside_o,
  output logic [LevelBits-1:0] level_o,
  output logic [LevelBits-1:0] ahead_o,
  output logic [Bits-1:0]      data_o
);
  logic            started_q = 1'b0;
  logic            stalled_q, push, pop, mine;
  logic [Bits-1:0] held_q;
  assign push      = s_valid_i & s_ready_i;
  assign pop       = m_valid_i & m_ready_i;
  assign mine      = inside_o & pop & (ahead_o == '0);
  assign checked_o = started_q & rst_ni;

  always_ff @(posedge clk_i) begin
    started_q <= 1'b1;
    held_q    <= m_data_i;
    if (!rst_ni) begin
      level_o   <= '0;
      inside_o  <= 1'b0;
      stalled_q <= 1'b0;
    end else begin
      level_o   <= level_o + LevelBits'(push) - LevelBits'(pop);
      stalled_q <= m_valid_i & ~m_ready_i;
      if (mine) begin
        inside_o <= 1'b0;
      end else if (push & pick_i & ~inside_o) begin
        inside_o <= 1'b1;
        data_o   <= s_data_i;
        ahead_o  <= level_o - LevelBits'(pop);
      end else if (pop) begin
        ahead_o <= ahead_o - 1'b1;
      end
    end
  end

  always_comb begin
    if (!started_q) assume (!rst_ni);
    if (checked_o) begin
      if (mine) assert (m_data_i == data_o);
      if (m_valid_i) assert (level_o != '0);
      if (stalled_q) assert (m_valid_i && m_data_i == held_q);
      if (inside_o) assert (ahead_o < level_o);
    end
  end
endmodule
