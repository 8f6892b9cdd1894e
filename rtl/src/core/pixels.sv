// Frames to pixels: chunks of Lanes codes, a pixel's channels in as many as they need.
//
//   s_data_i -> width -> m_data_o: codes of FieldBits bits become such of XBits bits, with their
//   sign where the input is Signed
// A frame is Codes codes, Channels a pixel. Its status and whether more follow in its packet come
// with its last beat and leave with its last chunk: up to two frames ahead of the engine, since
// where a frame is one beat the next may come before the last pixel of this has left.
// Latency: width's. Throughput: a chunk a cycle.
// Model: crossloom.sim.frames.unpack. Testbench: tests/rtl/testbench_engine_control.py (core's).
module pixels #(
  parameter  int unsigned Lanes     = 4,
  parameter  int unsigned XBits     = 4,
  parameter  int unsigned FieldBits = 4,
  parameter  bit          Signed    = 1'b0,
  parameter  int unsigned Codes     = 64,
  parameter  int unsigned Channels  = 1,
  localparam int unsigned Chunks    = (Channels - 1) / Lanes + 1,   // of a pixel
  localparam int unsigned Items     = Codes / Channels * Chunks,    // of a frame
  localparam int unsigned ItemBits  = Items > 1 ? $clog2(Items) : 1
) (
  input  logic                               clk_i,
  input  logic                               rst_ni,
  input  logic                               s_valid_i,
  output logic                               s_ready_o,
  input  logic [63:0]                        s_data_i,
  input  logic                               s_last_i,
  input  logic [engine_pkg::STATUS_BITS-1:0] s_status_i,
  input  logic                               s_more_i,
  output logic                               m_valid_o,
  input  logic                               m_ready_i,
  output logic [Lanes-1:0][XBits-1:0]        m_data_o,
  output logic [engine_pkg::STATUS_BITS-1:0] m_status_o,
  output logic                               m_more_o
);
  logic                       status_ready, width_ready, status_valid, pixel_last, go, last;
  logic [Lanes*FieldBits-1:0] fields;
  logic [ItemBits-1:0]        item_q;
  assign s_ready_o = width_ready & status_ready;
  width #(
    .FieldBits(FieldBits), .In(64 / FieldBits), .InRun(Codes), .Out(Lanes), .OutRun(Channels)
  ) u_width (
    .clk_i, .rst_ni, .s_valid_i(s_valid_i & status_ready), .s_ready_o(width_ready), .s_data_i,
    .m_valid_o, .m_ready_i, .m_data_o(fields), .m_last_o(pixel_last)
  );
  logic unused;
  assign unused = ^{pixel_last, fields};  // fields may be wider than codes
  skid #(.Bits(engine_pkg::STATUS_BITS + 1)) u_status (
    .clk_i, .rst_ni, .s_valid_i(s_valid_i & s_last_i & width_ready), .s_ready_o(status_ready),
    .s_data_i({s_more_i, s_status_i}), .m_valid_o(status_valid), .m_ready_i(go & last),
    .m_data_o({m_more_o, m_status_o})
  );
  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    if (FieldBits >= XBits) begin : gen_cut
      assign m_data_o[l] = fields[l*FieldBits +: XBits];
    end else begin : gen_extend
      assign m_data_o[l] = {{XBits-FieldBits{Signed & fields[l*FieldBits+FieldBits-1]}},
                            fields[l*FieldBits +: FieldBits]};
    end
  end
  assign go   = m_valid_o & m_ready_i;
  assign last = item_q == ItemBits'(Items - 1);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) item_q <= '0;
    else if (go) item_q <= last ? '0 : item_q + 1'b1;
`ifndef SYNTHESIS
    // The last item has a field of the last beat, with which the status comes.
    known: assert (!rst_ni || !go || !last || status_valid)
      else $error("pixels: the last item came before its frame's status");
`endif
  end
endmodule
