// Registers of the tile: identity, settings, errors, counters, and the windows through which its
// memories are written.
//
// Addresses and bits: imc_tile_regs_pkg, written from crossloom.rtl.registers.tile_map. Settings
// and memories are locked
// while busy_i: such a write is ignored and told by ERROR.BUSY. Every fault sets a bit of ERROR
// (kept until a 1 is
// written to it) and counts in ERRORS. Counters are unsigned 32 bits and wrap.
// Latency: a write takes effect in the cycle after wr_valid_i; reads answer at once. Testbench:
// that of the whole tile, tests/rtl/test_benches.py, and every fault in tests/rtl/test_faults.py.
module imc_regs #(
  parameter  int unsigned Rows      = 128,
  parameter  int unsigned Cols      = 128,
  parameter  int unsigned Lanes     = 32,
  localparam int unsigned Words     = Rows / 32,
  localparam int unsigned SegBits   = Words > 1 ? $clog2(Words) : 1,
  localparam int unsigned LevelBits = Words > 1 ? $clog2($clog2(Words) + 1) : 1,
  localparam int unsigned ClipBits  = $clog2(Lanes + 1)
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 wr_valid_i,
  input  logic [19:0]          wr_addr_i,
  input  logic [31:0]          wr_data_i,
  input  logic [3:0]           wr_strb_i,
  input  logic                 rd_valid_i,
  input  logic [19:0]          rd_addr_i,
  output logic [31:0]          rd_data_o,
  output logic                 perm_we_o,
  output logic                 mask_we_o,
  output logic                 gain_we_o,
  output logic                 cell_we_o,
  output logic                 table_we_o,
  output logic [17:0]          index_o,
  output logic [31:0]          data_o,
  output logic                 core_rst_no,
  output logic [2:0]           bits_m1_o,
  output logic                 signed_o,
  output logic [SegBits-1:0]   segments_m1_o,
  output logic [LevelBits-1:0] level_o,
  output logic [15:0]          scale_o,
  output logic signed [31:0]   offset_o,
  output logic [7:0]           top_o,
  output logic                 resync_o,
  input  logic                 busy_i,
  input  logic                 drop_i,
  input  logic                 good_i,
  input  logic                 short_i,
  input  logic                 long_i,
  input  logic                 sent_i,     // a frame's last result was taken
  input  logic                 waiting_i,  // the output waits for its reader
  input  logic                 step_i,
  input  logic [ClipBits-1:0]  count_clips_i,
  input  logic [ClipBits-1:0]  code_clips_i,
  input  logic [2:0]           y_clips_i
);
  import imc_tile_regs_pkg::*;

  localparam int unsigned Counters = 9;
  localparam int unsigned Errors   = 6;

  // Windows: a hit is within the words that this tile has.
  function automatic logic is_in(logic [19:0] addr, logic [19:0] base, int unsigned words);
    return addr >= base && 32'(addr - base) < 4 * words;
  endfunction
  logic perm_hit, mask_hit, gain_hit, cell_hit, table_hit, memory_hit;
  assign perm_hit   = is_in(wr_addr_i, PERM_OFFSET, Rows / 4);
  assign mask_hit   = is_in(wr_addr_i, MASK_OFFSET, Words * Words);
  assign gain_hit   = is_in(wr_addr_i, GAIN_OFFSET, Cols);
  assign cell_hit   = is_in(wr_addr_i, CELL_OFFSET, Cols * Words);
  assign table_hit  = is_in(wr_addr_i, TABLE_OFFSET, Cols * 2 * Rows);
  assign memory_hit = perm_hit | mask_hit | gain_hit | cell_hit | table_hit;

  logic format_hit, scale_hit, offset_hit, top_hit, timeout_hit, control_hit, error_hit,
    setting_hit, known;
  assign format_hit  = wr_addr_i == FORMAT_OFFSET;
  assign scale_hit   = wr_addr_i == ADC_SCALE_OFFSET;
  assign offset_hit  = wr_addr_i == ADC_OFFSET_OFFSET;
  assign top_hit     = wr_addr_i == ADC_TOP_OFFSET;
  assign timeout_hit = wr_addr_i == TIMEOUT_OFFSET;
  assign control_hit = wr_addr_i == CONTROL_OFFSET;
  assign error_hit   = wr_addr_i == ERROR_OFFSET;
  assign setting_hit = format_hit | scale_hit | offset_hit | top_hit;
  assign known       = memory_hit | setting_hit | timeout_hit | control_hit | error_hit;

  // Values.
  logic [3:0] bits, segments;
  logic       bad;
  assign bits     = wr_data_i[3:0];
  assign segments = wr_data_i[11:8];
  always_comb begin
    bad = wr_strb_i != 4'hf;
    if (format_hit) begin
      bad |= bits == 4'd0 || bits > 4'd8 || segments == 4'd0 || segments > 4'(Words);
      bad |= (wr_data_i & ~(FORMAT_BITS_MASK | FORMAT_SIGNED_MASK | FORMAT_SEGMENTS_MASK)) != '0;
    end
    if (scale_hit | gain_hit | table_hit) bad |= wr_data_i[31:16] != '0;
    if (top_hit) bad |= wr_data_i[31:8] != '0;
    if (perm_hit) for (int unsigned j = 0; j < 4; j++) bad |= 32'(wr_data_i[8*j +: 8]) >= Rows;
  end

  logic locked, write;
  assign locked = busy_i & (memory_hit | setting_hit);
  assign write  = wr_valid_i & known & ~locked & ~bad;
  assign perm_we_o  = write & perm_hit;
  assign mask_we_o  = write & mask_hit;
  assign gain_we_o  = write & gain_hit;
  assign cell_we_o  = write & cell_hit;
  assign table_we_o = write & table_hit;
  // Every window starts at a multiple of its size, so low address bits are the index.
  always_comb begin
    index_o = {1'b0, wr_addr_i[18:2]};
    if (~table_hit) index_o = {7'd0, wr_addr_i[12:2]};
    if (gain_hit | mask_hit | perm_hit) index_o = {10'd0, wr_addr_i[9:2]};
  end
  assign data_o = wr_data_i;

  // Settings.
  logic [31:0] timeout_q, stalled_q;
  logic [3:0]  segments_q, bits_q;
  logic        soft_q;
  always_comb begin
    level_o = '0;
    for (int unsigned k = 0; 2 ** k < Words; k++) begin
      if (32'(segments_q) > 2 ** k) level_o = LevelBits'(k + 1);
    end
  end
  assign bits_m1_o     = 3'(bits_q - 4'd1);
  assign segments_m1_o = SegBits'(segments_q - 4'd1);
  assign core_rst_no   = rst_ni & ~soft_q;
  always_ff @(posedge clk_i) begin
    soft_q <= rst_ni & write & control_hit & wr_data_i[CONTROL_RESET_LSB];
    if (!rst_ni) begin
      bits_q     <= FORMAT_RESET[3:0];
      signed_o   <= FORMAT_RESET[4];
      segments_q <= FORMAT_RESET[11:8];
      scale_o    <= ADC_SCALE_RESET[15:0];
      offset_o   <= $signed(ADC_OFFSET_RESET);
      top_o      <= ADC_TOP_RESET[7:0];
      timeout_q  <= TIMEOUT_RESET;
    end else if (write) begin
      if (format_hit) {segments_q, signed_o, bits_q} <= {segments, wr_data_i[4], bits};
      if (scale_hit) scale_o <= wr_data_i[15:0];
      if (offset_hit) offset_o <= $signed(wr_data_i);
      if (top_hit) top_o <= wr_data_i[7:0];
      if (timeout_hit) timeout_q <= wr_data_i;
    end
  end

  // Faults.
  logic [Errors-1:0] fault, error_q;
  logic              rd_known;
  assign fault[ERROR_SHORT_LSB]   = short_i;
  assign fault[ERROR_LONG_LSB]    = long_i;
  assign fault[ERROR_BUSY_LSB]    = wr_valid_i & locked;
  assign fault[ERROR_ADDRESS_LSB] = (wr_valid_i & ~known) | (rd_valid_i & ~rd_known);
  assign fault[ERROR_VALUE_LSB]   = wr_valid_i & known & ~locked & bad;
  assign fault[ERROR_STALL_LSB]   = waiting_i & (timeout_q != '0) & (stalled_q == timeout_q - 1'b1);
  assign resync_o = write & error_hit & wr_data_i[ERROR_LONG_LSB];

  logic clear;
  assign clear = write & control_hit & wr_data_i[CONTROL_CLEAR_LSB];
  logic [Counters-1:0][31:0] counter_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      error_q   <= '0;
      stalled_q <= '0;
      counter_q <= '0;
    end else begin
      error_q   <= (error_q & ~(write & error_hit ? wr_data_i[Errors-1:0] : '0)) | fault;
      stalled_q <= waiting_i ? stalled_q + 1'b1 : '0;
      if (clear) begin
        counter_q <= '0;
      end else begin
        counter_q[0] <= counter_q[0] + 32'(good_i);
        counter_q[1] <= counter_q[1] + 32'(sent_i);
        counter_q[2] <= counter_q[2] + 32'(short_i | long_i);
        counter_q[3] <= counter_q[3] + 32'($countones(fault));
        counter_q[4] <= counter_q[4] + 32'(step_i);
        counter_q[5] <= counter_q[5] + 32'(waiting_i);
        counter_q[6] <= counter_q[6] + 32'(count_clips_i);
        counter_q[7] <= counter_q[7] + 32'(code_clips_i);
        counter_q[8] <= counter_q[8] + 32'(y_clips_i);
      end
    end
  end

  // Reading.
  always_comb begin
    rd_known  = 1'b1;
    rd_data_o = '0;
    case (rd_addr_i)
      ID_OFFSET:         rd_data_o = ID_RESET;
      VERSION_OFFSET:    rd_data_o = VERSION_RESET;
      GEOMETRY_OFFSET:   rd_data_o = {16'(Cols), 16'(Rows)};
      LANES_OFFSET:      rd_data_o = 32'(Lanes);
      CONTROL_OFFSET:    rd_data_o = '0;
      STATUS_OFFSET:     rd_data_o = {30'd0, drop_i, busy_i};
      ERROR_OFFSET:      rd_data_o = 32'(error_q);
      FORMAT_OFFSET:     rd_data_o = {20'd0, segments_q, 3'd0, signed_o, bits_q};
      ADC_SCALE_OFFSET:  rd_data_o = 32'(scale_o);
      ADC_OFFSET_OFFSET: rd_data_o = offset_o;
      ADC_TOP_OFFSET:    rd_data_o = 32'(top_o);
      TIMEOUT_OFFSET:    rd_data_o = timeout_q;
      default: begin
        rd_known = rd_addr_i[19:6] == FRAMES_IN_OFFSET[19:6] && rd_addr_i[5:2] < 4'(Counters);
        if (rd_known) rd_data_o = counter_q[rd_addr_i[5:2]];
      end
    endcase
  end
endmodule
