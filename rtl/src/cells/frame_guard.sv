// Makes of whatever a host sends frames of exactly Beats beats, so that nothing behind it counts.
//
//   as it should be  passes                                                 status OK
//   last_i early     the missing beats are zeros                            status SHORT
//   last_i late      beats after the last one are dropped, with last_i      status LONG
// last_i ends a packet of up to packet_i frames (at least 1, steady while beats are inside); it may
// come with the end of any of them. m_status_o (engine_pkg::status_e, from crossloom.sim.frames)
// and m_more_o, the packet goes on after this frame, count with m_last_o. A packet that never ends
// is known as LONG at the last beat of its last frame; resync_i then makes the next beat a new
// packet (drop_o tells that beats are being dropped).
// Latency: none (valid and ready pass through; put a skid beside it). Throughput: one beat a cycle.
// Testbench: tests/rtl/testbench_engine_streams.py.
module frame_guard #(
  parameter  int unsigned Bits      = 64,
  parameter  int unsigned Beats     = 64,
  localparam int unsigned CountBits = Beats > 1 ? $clog2(Beats) : 1
) (
  input  logic            clk_i,
  input  logic            rst_ni,
  input  logic            resync_i,
  input  logic [15:0]     packet_i,
  input  logic            s_valid_i,
  output logic            s_ready_o,
  input  logic [Bits-1:0] s_data_i,
  input  logic            s_last_i,
  output logic            m_valid_o,
  input  logic            m_ready_i,
  output logic [Bits-1:0] m_data_o,
  output logic            m_last_o,
  output logic [engine_pkg::STATUS_BITS-1:0] m_status_o,
  output logic            m_more_o,
  output logic            drop_o
);
  if (Bits < 1 || Beats < 1) begin : gen_size
    $error("frame_guard: Bits is %0d, Beats is %0d; at least 1 is needed", Bits, Beats);
  end

  typedef enum logic [1:0] {Pass, Fill, Drop} state_e;
  state_e               state_q;
  logic [CountBits-1:0] beat_q;
  logic [15:0]          frame_q;  // of the packet
  logic                 beat, more;

  assign s_ready_o = state_q == Pass ? m_ready_i : state_q == Drop;
  assign m_valid_o = state_q == Pass ? s_valid_i : state_q == Fill;
  assign m_data_o  = state_q == Pass ? s_data_i : '0;
  assign m_last_o  = beat_q == CountBits'(Beats - 1);
  assign drop_o    = state_q == Drop;
  assign beat      = m_valid_o & m_ready_i;
  assign more      = frame_q != packet_i - 1'b1;
  assign m_more_o  = state_q == Pass & ~s_last_i & more;

  always_comb begin
    m_status_o = engine_pkg::STATUS_OK;
    if (state_q == Fill) m_status_o = engine_pkg::STATUS_SHORT;
    else if (~s_last_i & ~more) m_status_o = engine_pkg::STATUS_LONG;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Pass;
      beat_q  <= '0;
      frame_q <= '0;
    end else begin
      if (beat) beat_q <= m_last_o ? '0 : beat_q + 1'b1;
      if (beat & m_last_o) frame_q <= m_more_o ? frame_q + 1'b1 : '0;
      case (state_q)
        Pass: begin
          if (beat & m_last_o & ~s_last_i & ~more) state_q <= Drop;
          else if (beat & ~m_last_o & s_last_i) state_q <= Fill;
        end
        Fill: if (beat & m_last_o) state_q <= Pass;
        default: if (resync_i | (s_valid_i & s_last_i)) state_q <= Pass;
      endcase
    end
  end

`ifndef SYNTHESIS
  stream_check #(.Bits(Bits + engine_pkg::STATUS_BITS + 2)) u_check (
    .clk_i, .rst_ni, .valid_i(m_valid_o), .ready_i(m_ready_i),
    .data_i({m_status_o, m_more_o, m_last_o, m_data_o})
  );
`endif
endmodule
