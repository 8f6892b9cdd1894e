// A network on an FPGA: frames in and results out on AXI4-Stream, registers and banks on AXI4-Lite.
//
//   s_axis -> skid -> frame_guard -> pixels -> engine -> skid -> m_axis      core_regs on s_axi
// Frames and results are crossloom.sim.frames'; registers crossloom.rtl.registers.core_map'. TLAST
// ends a packet of up to PACKET frames, and that of their results. A short or long frame gets a
// result with its status, and the next one is exact. CONTROL.RESET drops what is inside and keeps
// the banks. trace_*, tap_*: see engine; a top leaves them open. Latency: the engine's, 3 cycles
// more. Testbench: tests/rtl/testbench_engine_control.py; faults: tests/rtl/test_core.py.
module core #(
  parameter  int unsigned Rows       = 8,
  parameter  int unsigned Cols       = 8,
  parameter  int unsigned Pix        = 2,
  parameter  int unsigned Lanes      = 4,
  parameter  int unsigned Dsp        = 0,
  parameter  int unsigned XBits      = 4,
  parameter  int unsigned WBits      = 4,
  parameter  int unsigned AccBits    = 20,
  parameter  int unsigned CodeBits   = 5,
  parameter  int          ShiftMin   = 0,
  parameter  int          ShiftMax   = 12,
  parameter  int unsigned Features   = 256,
  parameter  int unsigned Weights    = 256,
  parameter  int unsigned Params     = 64,
  parameter  int unsigned Tables     = 0,
  parameter  int unsigned Steps      = 0,
  parameter  int unsigned ScaleBits  = 1,
  parameter  int unsigned Results    = 4,
  parameter  int unsigned Sweeps     = 32,
  parameter  int unsigned Segments   = 32,
  parameter  int unsigned Branches   = 1,
  parameter  int unsigned Capacity   = 8,    // classes that a branch can have
  parameter  bit          Doubling   = 1'b0,
  parameter  bit          Timed      = 1'b0,  // edges of several time steps
  parameter  int unsigned Neurons    = 0,    // words of thresholds and leaks, 0 without neurons
  parameter  int unsigned MemBits    = 2,    // membranes, and the least of any layer
  parameter  int unsigned MemMin     = 2,
  parameter  int unsigned GuardMin   = 0,
  parameter  int unsigned GuardMax   = 0,
  parameter  int unsigned LeakMin    = 0,
  parameter  int unsigned LeakMax    = 0,
  parameter  int unsigned Most       = 1,    // spikes of a step
  parameter  bit          Later      = 1'b0, // resets a step later
  parameter  int unsigned Unroll       = 0,
  parameter               Init       = "",
  parameter  int unsigned FieldBits  = 4,    // of a code in a beat
  parameter  bit          Signed     = 1'b0, // the codes of the input
  parameter  int unsigned Codes      = 64,   // of a frame
  parameter  int unsigned Channels   = 1,    // of a pixel
  localparam int unsigned IndexBits  = Sweeps > 1 ? $clog2(Sweeps) : 1
) (
  input  logic                          aclk,
  input  logic                          aresetn,
  input  logic                          s_axi_awvalid,
  output logic                          s_axi_awready,
  input  logic [11:0]                   s_axi_awaddr,
  input  logic                          s_axi_wvalid,
  output logic                          s_axi_wready,
  input  logic [31:0]                   s_axi_wdata,
  input  logic [3:0]                    s_axi_wstrb,
  output logic                          s_axi_bvalid,
  input  logic                          s_axi_bready,
  output logic [1:0]                    s_axi_bresp,
  input  logic                          s_axi_arvalid,
  output logic                          s_axi_arready,
  input  logic [11:0]                   s_axi_araddr,
  output logic                          s_axi_rvalid,
  input  logic                          s_axi_rready,
  output logic [31:0]                   s_axi_rdata,
  output logic [1:0]                    s_axi_rresp,
  input  logic                          s_axis_tvalid,
  output logic                          s_axis_tready,
  input  logic [63:0]                   s_axis_tdata,
  input  logic                          s_axis_tlast,
  output logic                          m_axis_tvalid,
  input  logic                          m_axis_tready,
  output logic [63:0]                   m_axis_tdata,
  output logic [7:0]                    m_axis_tkeep,
  output logic                          m_axis_tlast,
  output logic                          tap_valid_o,
  output logic [IndexBits-1:0]          tap_sweep_o,
  output logic                          trace_valid_o,
  output logic [IndexBits-1:0]          trace_sweep_o,
  output logic [7:0]                    trace_chunk_o,
  output logic [12:0]                   trace_y_o, trace_x_o,
  output logic [11:0]                   trace_time_o,
  output logic [Lanes-1:0][AccBits-1:0] trace_raw_o,
  output logic [Lanes-1:0][MemBits-1:0] trace_membrane_o,
  output logic [Lanes-1:0][XBits-1:0]   trace_code_o
);
  localparam int unsigned ClipBits  = $clog2(Lanes + 1) + (Neurons > 0 ? 1 : 0);
  localparam int unsigned SpikeBits = $clog2(Lanes * Most + 1);
  localparam int unsigned PerBeat   = 64 / FieldBits;
  localparam int unsigned Beats     = (Codes - 1) / PerBeat + 1;

  // Registers.
  logic        wr_valid, rd_valid, core_rst_n, resync, bank_we, idle, drop, image;
  logic [11:0] wr_addr, rd_addr;
  logic [31:0] wr_data, rd_data;
  logic [15:0] packet, bank_part;
  logic [35:0] bank_data;
  logic [3:0]  wr_strb;
  logic [program_pkg::MEMORY_BITS-1:0] bank_memory;
  logic [19:0] bank_addr;
  logic [ClipBits-1:0] clipped;
  logic [SpikeBits-1:0] spiked;
  logic        short_end, long_end, sent, waiting, busy;
  axil_bus #(.AddrBits(12)) u_bus (
    .clk_i(aclk), .rst_ni(aresetn), .aw_valid_i(s_axi_awvalid), .aw_ready_o(s_axi_awready),
    .aw_addr_i(s_axi_awaddr), .w_valid_i(s_axi_wvalid), .w_ready_o(s_axi_wready),
    .w_data_i(s_axi_wdata), .w_strb_i(s_axi_wstrb), .b_valid_o(s_axi_bvalid),
    .b_ready_i(s_axi_bready), .ar_valid_i(s_axi_arvalid), .ar_ready_o(s_axi_arready),
    .ar_addr_i(s_axi_araddr), .r_valid_o(s_axi_rvalid), .r_ready_i(s_axi_rready),
    .r_data_o(s_axi_rdata), .wr_valid_o(wr_valid), .wr_addr_o(wr_addr), .wr_data_o(wr_data),
    .wr_strb_o(wr_strb), .rd_valid_o(rd_valid), .rd_addr_o(rd_addr), .rd_data_i(rd_data)
  );
  assign s_axi_bresp = 2'b00;
  assign s_axi_rresp = 2'b00;
  core_regs #(
    .Init(Init), .ClipBits(ClipBits), .SpikeBits(SpikeBits), .Weights(Weights),
    .WeightParts((Cols * Rows * WBits + 35) / 36), .Params(Params),
    .ParamParts((Lanes * (AccBits + 7) + 35) / 36), .Tables(Tables), .TableParts(2 * Lanes),
    .Neurons(Neurons), .NeuronParts((Lanes * (MemBits + 4) + 35) / 36), .Branches(Branches),
    .Capacity(Capacity)
  ) u_regs (
    .clk_i(aclk), .rst_ni(aresetn), .wr_valid_i(wr_valid), .wr_addr_i(wr_addr),
    .wr_data_i(wr_data), .wr_strb_i(wr_strb), .rd_valid_i(rd_valid), .rd_addr_i(rd_addr),
    .rd_data_o(rd_data), .core_rst_no(core_rst_n), .resync_o(resync), .packet_o(packet),
    .bank_we_o(bank_we), .bank_memory_o(bank_memory), .bank_addr_o(bank_addr),
    .bank_part_o(bank_part), .bank_data_o(bank_data), .busy_i(busy), .drop_i(drop),
    .image_i(image), .short_i(short_end), .long_i(long_end), .sent_i(sent), .waiting_i(waiting),
    .clipped_i(clipped), .spiked_i(spiked)
  );

  // Beats to frames.
  logic        beat_valid, beat_ready, beat_last, frame_valid, frame_ready, frame_last, more;
  logic [63:0] beat, frame;
  logic [engine_pkg::STATUS_BITS-1:0] status;
  skid #(.Bits(65)) u_in (
    .clk_i(aclk), .rst_ni(core_rst_n), .s_valid_i(s_axis_tvalid), .s_ready_o(s_axis_tready),
    .s_data_i({s_axis_tlast, s_axis_tdata}), .m_valid_o(beat_valid), .m_ready_i(beat_ready),
    .m_data_o({beat_last, beat})
  );
  frame_guard #(.Bits(64), .Beats(Beats)) u_guard (
    .clk_i(aclk), .rst_ni(core_rst_n), .resync_i(resync), .packet_i(packet), .s_valid_i(beat_valid),
    .s_ready_o(beat_ready), .s_data_i(beat), .s_last_i(beat_last), .m_valid_o(frame_valid),
    .m_ready_i(frame_ready), .m_data_o(frame), .m_last_o(frame_last), .m_status_o(status),
    .m_more_o(more), .drop_o(drop)
  );

  // Frames to pixels.
  logic                        item_valid, item_ready, item_more;
  logic [Lanes-1:0][XBits-1:0] item;
  logic [engine_pkg::STATUS_BITS-1:0] item_status;
  pixels #(
    .Lanes(Lanes), .XBits(XBits), .FieldBits(FieldBits), .Signed(Signed), .Codes(Codes),
    .Channels(Channels)
  ) u_pixels (
    .clk_i(aclk), .rst_ni(core_rst_n), .s_valid_i(frame_valid), .s_ready_o(frame_ready),
    .s_data_i(frame), .s_last_i(frame_last), .s_status_i(status), .s_more_i(more),
    .m_valid_o(item_valid), .m_ready_i(item_ready), .m_data_o(item), .m_status_o(item_status),
    .m_more_o(item_more)
  );

  // The engine.
  logic        result_valid, result_ready, result_last, result_more, result_end;
  logic [63:0] result;
  engine #(
    .Rows(Rows), .Cols(Cols), .Pix(Pix), .Lanes(Lanes), .Dsp(Dsp), .XBits(XBits), .WBits(WBits),
    .AccBits(AccBits), .CodeBits(CodeBits), .ShiftMin(ShiftMin), .ShiftMax(ShiftMax),
    .Features(Features), .Weights(Weights), .Params(Params), .Tables(Tables), .Steps(Steps),
    .ScaleBits(ScaleBits), .Results(Results), .Sweeps(Sweeps), .Segments(Segments),
    .Branches(Branches), .Doubling(Doubling), .Timed(Timed),
    .Neurons(Neurons), .MemBits(MemBits), .MemMin(MemMin), .GuardMin(GuardMin),
    .GuardMax(GuardMax), .LeakMin(LeakMin), .LeakMax(LeakMax), .Most(Most), .Later(Later),
    .Unroll(Unroll), .Init(Init)
  ) u_engine (
    .clk_i(aclk), .rst_ni(core_rst_n), .s_valid_i(item_valid), .s_ready_o(item_ready),
    .s_data_i(item), .s_status_i(item_status), .s_more_i(item_more), .m_valid_o(result_valid),
    .m_ready_i(result_ready), .m_data_o(result), .m_last_o(result_last), .m_more_o(result_more),
    .bank_we_i(bank_we), .bank_memory_i(bank_memory), .bank_addr_i(bank_addr),
    .bank_part_i(bank_part), .bank_data_i(bank_data), .idle_o(idle), .image_o(image),
    .clipped_o(clipped), .spiked_o(spiked), .tap_valid_o, .tap_sweep_o,
    .trace_valid_o, .trace_sweep_o,
    .trace_chunk_o, .trace_y_o, .trace_x_o, .trace_time_o, .trace_raw_o, .trace_membrane_o,
    .trace_code_o
  );
  skid #(.Bits(66)) u_out (
    .clk_i(aclk), .rst_ni(core_rst_n), .s_valid_i(result_valid), .s_ready_o(result_ready),
    .s_data_i({result_last, result_last & ~result_more, result}), .m_valid_o(m_axis_tvalid),
    .m_ready_i(m_axis_tready), .m_data_o({result_end, m_axis_tlast, m_axis_tdata})
  );
  assign m_axis_tkeep = '1;

  // A frame is inside from its first beat until its result has left: between its beats, its first
  // beat, whole and not yet loaded, in the engine, in the last skid. Dropped beats are not.
  logic frame_end, open_q;
  assign frame_end = frame_valid & frame_ready & frame_last;
  always_ff @(posedge aclk) begin
    if (!core_rst_n) open_q <= 1'b0;
    else if (frame_valid & frame_ready) open_q <= ~frame_last;
  end
  assign short_end = frame_end & (status == engine_pkg::STATUS_SHORT);
  assign long_end  = frame_end & (status == engine_pkg::STATUS_LONG);
  assign sent      = m_axis_tvalid & m_axis_tready & result_end;
  assign waiting   = m_axis_tvalid & ~m_axis_tready;
  assign busy      = open_q | frame_valid | item_valid | ~idle | m_axis_tvalid;
endmodule
