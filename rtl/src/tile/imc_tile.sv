// A tile of Rows x Cols one-bit cells that computes in memory, as a peripheral: the digital twin of
// an analog array.
//
//   count = popcount(x[permutation][b] & mask[s] & weight[c])
//   y[c]  = sat16(round(gain[c] * sum_b sum_s w_b * adc(table[c][s][count])))
// AXI4-Lite: registers and memories (imc_tile_regs_pkg). s_axis: a frame is Rows bytes, four a
// beat, input 0 lowest,
// TLAST on the last beat. m_axis: Cols signed 16-bit results, four a beat, column 0 lowest, TLAST
// on the last beat.
// Throughput: bits * segments * Cols/Lanes cycles a frame, at least Rows/4 and Cols/4: 32 cycles at
// 8 bits, 1 segment,
// 128x128; 128 cycles with 4 segments. Latency: see imc_core.
// Model: crossloom.sim.crossbar.twin. Benches: tests/rtl/test_tile.py, tests/rtl/test_faults.py.
module imc_tile #(
  parameter int unsigned Rows  = 128,
  parameter int unsigned Cols  = 128,
  parameter int unsigned Lanes = 32
) (
  input  logic        aclk,
  input  logic        aresetn,
  input  logic        s_axi_awvalid,
  output logic        s_axi_awready,
  input  logic [19:0] s_axi_awaddr,
  input  logic [2:0]  s_axi_awprot,
  input  logic        s_axi_wvalid,
  output logic        s_axi_wready,
  input  logic [31:0] s_axi_wdata,
  input  logic [3:0]  s_axi_wstrb,
  output logic        s_axi_bvalid,
  input  logic        s_axi_bready,
  output logic [1:0]  s_axi_bresp,
  input  logic        s_axi_arvalid,
  output logic        s_axi_arready,
  input  logic [19:0] s_axi_araddr,
  input  logic [2:0]  s_axi_arprot,
  output logic        s_axi_rvalid,
  input  logic        s_axi_rready,
  output logic [31:0] s_axi_rdata,
  output logic [1:0]  s_axi_rresp,
  input  logic        s_axis_tvalid,
  output logic        s_axis_tready,
  input  logic [31:0] s_axis_tdata,
  input  logic        s_axis_tlast,
  output logic        m_axis_tvalid,
  input  logic        m_axis_tready,
  output logic [63:0] m_axis_tdata,
  output logic [7:0]  m_axis_tkeep,
  output logic        m_axis_tlast
);
  localparam int unsigned Words     = Rows / 32;
  localparam int unsigned SegBits   = Words > 1 ? $clog2(Words) : 1;
  localparam int unsigned LevelBits = Words > 1 ? $clog2($clog2(Words) + 1) : 1;
  localparam int unsigned ClipBits  = $clog2(Lanes + 1);

  logic                 wr_valid, rd_valid;
  logic [19:0]          wr_addr, rd_addr;
  logic [31:0]          wr_data, rd_data;
  logic [3:0]           wr_strb;
  logic                 perm_we, mask_we, gain_we, cell_we, table_we, core_rst_n, resync, is_signed;
  logic [17:0]          index;
  logic [31:0]          data;
  logic [2:0]           bits_m1, y_clips;
  logic [SegBits-1:0]   segments_m1;
  logic [LevelBits-1:0] level;
  logic [15:0]          scale;
  logic signed [31:0]   offset;
  logic [7:0]           top;
  logic                 busy, drop, good, is_short, is_long, step;
  logic [ClipBits-1:0]  count_clips, code_clips;

  axil_bus #(.AddrBits(20)) u_bus (
    .clk_i(aclk), .rst_ni(aresetn),
    .aw_valid_i(s_axi_awvalid), .aw_ready_o(s_axi_awready), .aw_addr_i(s_axi_awaddr),
    .w_valid_i(s_axi_wvalid), .w_ready_o(s_axi_wready), .w_data_i(s_axi_wdata),
    .w_strb_i(s_axi_wstrb),
    .b_valid_o(s_axi_bvalid), .b_ready_i(s_axi_bready),
    .ar_valid_i(s_axi_arvalid), .ar_ready_o(s_axi_arready), .ar_addr_i(s_axi_araddr),
    .r_valid_o(s_axi_rvalid), .r_ready_i(s_axi_rready), .r_data_o(s_axi_rdata),
    .wr_valid_o(wr_valid), .wr_addr_o(wr_addr), .wr_data_o(wr_data), .wr_strb_o(wr_strb),
    .rd_valid_o(rd_valid), .rd_addr_o(rd_addr), .rd_data_i(rd_data)
  );

  imc_regs #(.Rows(Rows), .Cols(Cols), .Lanes(Lanes)) u_regs (
    .clk_i(aclk), .rst_ni(aresetn),
    .wr_valid_i(wr_valid), .wr_addr_i(wr_addr), .wr_data_i(wr_data), .wr_strb_i(wr_strb),
    .rd_valid_i(rd_valid), .rd_addr_i(rd_addr), .rd_data_o(rd_data),
    .perm_we_o(perm_we), .mask_we_o(mask_we), .gain_we_o(gain_we), .cell_we_o(cell_we),
    .table_we_o(table_we),
    .index_o(index), .data_o(data), .core_rst_no(core_rst_n),
    .bits_m1_o(bits_m1), .signed_o(is_signed), .segments_m1_o(segments_m1), .level_o(level),
    .scale_o(scale), .offset_o(offset), .top_o(top), .resync_o(resync),
    .busy_i(busy), .drop_i(drop), .good_i(good), .short_i(is_short), .long_i(is_long),
    .sent_i(m_axis_tvalid & m_axis_tready & m_axis_tlast),
    .waiting_i(m_axis_tvalid & ~m_axis_tready),
    .step_i(step), .count_clips_i(count_clips), .code_clips_i(code_clips), .y_clips_i(y_clips)
  );

  imc_core #(.Rows(Rows), .Cols(Cols), .Lanes(Lanes)) u_core (
    .clk_i(aclk), .rst_ni(core_rst_n),
    .perm_we_i(perm_we), .mask_we_i(mask_we), .gain_we_i(gain_we), .cell_we_i(cell_we),
    .table_we_i(table_we),
    .index_i(index), .data_i(data),
    .bits_m1_i(bits_m1), .signed_i(is_signed), .segments_m1_i(segments_m1), .level_i(level),
    .scale_i(scale), .offset_i(offset), .top_i(top),
    .s_valid_i(s_axis_tvalid), .s_ready_o(s_axis_tready), .s_data_i(s_axis_tdata),
    .s_last_i(s_axis_tlast),
    .m_valid_o(m_axis_tvalid), .m_ready_i(m_axis_tready), .m_data_o(m_axis_tdata),
    .m_last_o(m_axis_tlast),
    .resync_i(resync), .busy_o(busy), .drop_o(drop), .good_o(good), .short_o(is_short),
    .long_o(is_long),
    .step_o(step), .count_clips_o(count_clips), .code_clips_o(code_clips), .y_clips_o(y_clips)
  );

  assign m_axis_tkeep = '1;
  assign s_axi_bresp  = 2'b00;
  assign s_axi_rresp  = 2'b00;
  logic unused;
  assign unused = ^{s_axi_awprot, s_axi_arprot};
endmodule
