// The tile without its buses: frames of bytes in, frames of column results out, settings on wires.
//
// Per frame x[Rows] and column c, with planes b from the top down and segments s (rtl/README.md):
//   count = popcount(x[permutation][b] & mask[s] & weight[c])
//   y[c]  = sat16(round(gain[c] * sum_b sum_s w_b * adc(table[c][s][count])))
// w_b = 2**b, the top plane -2**b when the inputs are two's complement. Lanes columns a cycle:
// bits * segments * Cols/Lanes cycles a frame, and never less than the Rows/4 and Cols/4 beats of
// its streams.
// Latency, first beat to last: Rows/4 in + Rows/4 ordering + steps + Cols/4 out + 13.
// Model: crossloom.sim.crossbar.twin. Benches: tests/rtl/test_benches.py, tests/rtl/test_tile.py.
module imc_core #(
  parameter  int unsigned Rows      = 128,
  parameter  int unsigned Cols      = 128,
  parameter  int unsigned Lanes     = 32,
  localparam int unsigned Words     = Rows / 32,
  localparam int unsigned Groups    = Cols / Lanes,
  localparam int unsigned SegBits   = Words > 1 ? $clog2(Words) : 1,
  localparam int unsigned LevelBits = Words > 1 ? $clog2($clog2(Words) + 1) : 1,
  localparam int unsigned ClipBits  = $clog2(Lanes + 1)
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  // Writing the memories, only while busy_o is low; the index counts words of the window.
  input  logic                 perm_we_i,
  input  logic                 mask_we_i,
  input  logic                 gain_we_i,
  input  logic                 cell_we_i,
  input  logic                 table_we_i,
  input  logic [17:0]          index_i,
  input  logic [31:0]          data_i,
  // Settings, constant while busy_o.
  input  logic [2:0]           bits_m1_i,
  input  logic                 signed_i,
  input  logic [SegBits-1:0]   segments_m1_i,
  input  logic [LevelBits-1:0] level_i,       // ceil(log2(segments))
  input  logic [15:0]          scale_i,
  input  logic signed [31:0]   offset_i,
  input  logic [7:0]           top_i,
  // Streams: four bytes in, four 16-bit results out a beat.
  input  logic                 s_valid_i,
  output logic                 s_ready_o,
  input  logic [31:0]          s_data_i,
  input  logic                 s_last_i,
  output logic                 m_valid_o,
  input  logic                 m_ready_i,
  output logic [63:0]          m_data_o,
  output logic                 m_last_o,
  // Events.
  input  logic                 resync_i,
  output logic                 busy_o,
  output logic                 drop_o,
  output logic                 good_o,
  output logic                 short_o,
  output logic                 long_o,
  output logic                 step_o,         // a step of arithmetic was done
  // columns of this cycle whose count exceeded its table
  output logic [ClipBits-1:0]  count_clips_o,
  output logic [ClipBits-1:0]  code_clips_o,   // columns of this cycle whose code was clipped
  output logic [2:0]           y_clips_o       // results of this beat that were saturated
);
  localparam int unsigned AccBits   = 17 + $clog2(Words);
  localparam int unsigned GroupBits = $clog2(Groups);
  localparam int unsigned QuadBits  = $clog2(Rows / 4);
  localparam int unsigned WordBits  = $clog2(Words);
  localparam int unsigned LaneBits  = $clog2(Lanes);
  localparam int unsigned EntryBits = $clog2(Rows + 1);
  localparam int unsigned MaskBits  = Words > 1 ? 2 * WordBits : 1;

  if (Cols != Lanes * Groups || Groups != 2 ** $clog2(Groups) || Groups > 8
    || Groups < 2) begin : gen_cols
    $error("imc_core: Cols is %0d with %0d lanes; 2, 4 or 8 times Lanes is needed", Cols, Lanes);
  end

  // Inputs.
  logic                frame_valid, frame_last, frame_free, frame_busy;
  logic [QuadBits-1:0] frame_quad;
  logic [3:0][7:0]     frame_data;
  imc_frame #(.Rows(Rows)) u_frame (
    .clk_i, .rst_ni,
    .perm_we_i, .perm_addr_i(index_i[QuadBits-1:0]), .perm_data_i(data_i),
    .resync_i, .s_valid_i, .s_ready_o, .s_data_i, .s_last_i,
    .valid_o(frame_valid), .quad_o(frame_quad), .data_o(frame_data), .last_o(frame_last),
    .free_i(frame_free), .good_o, .short_o, .long_o, .busy_o(frame_busy), .drop_o
  );

  // Order of the steps.
  logic                 avail, credit, step, first, shift, negate, last, start, release_planes;
  logic [2:0]           plane;
  logic [SegBits-1:0]   segment;
  logic [GroupBits-1:0] group;
  imc_seq #(.Segments(Words), .Groups(Groups)) u_seq (
    .clk_i, .rst_ni, .bits_m1_i, .signed_i, .segments_m1_i, .avail_i(avail), .credit_i(credit),
    .valid_o(step), .plane_o(plane), .segment_o(segment), .group_o(group), .first_o(first),
    .shift_o(shift),
    .negate_o(negate), .last_o(last), .start_o(start), .release_o(release_planes)
  );
  assign step_o = step;

  logic [Rows-1:0] drive;
  logic            planes_busy;
  imc_planes #(.Rows(Rows)) u_planes (
    .clk_i, .rst_ni, .mask_we_i, .mask_addr_i(index_i[MaskBits-1:0]), .mask_data_i(data_i),
    .valid_i(frame_valid), .quad_i(frame_quad), .data_i(frame_data), .last_i(frame_last),
    .free_o(frame_free),
    .avail_o(avail), .release_i(release_planes), .plane_i(plane), .segment_i(segment),
    .drive_o(drive),
    .busy_o(planes_busy)
  );

  // What travels with a step: index k is k cycles after the drive.
  logic [9:0]                valid_q, last_q;
  logic [7:0]                first_q, shift_q;
  logic [8:0]                negate_q;
  logic [9:0][GroupBits-1:0] group_q;
  logic [3:0][SegBits-1:0]   segment_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= '0;
    else valid_q <= {valid_q[8:0], step};
    last_q    <= {last_q[8:0], last};
    first_q   <= {first_q[6:0], first};
    shift_q   <= {shift_q[6:0], shift};
    negate_q  <= {negate_q[7:0], negate};
    group_q   <= {group_q[8:0], group};
    segment_q <= {segment_q[2:0], segment};
  end

  // Lanes. A cell word's index is column * Words + word, a table entry's column * 2**EntryBits +
  // entry,
  // and a column is group * Lanes + lane.
  logic [GroupBits-1:0]           cell_group, cell_addr, table_group;
  logic [LaneBits-1:0]            cell_lane, table_lane;
  logic [Lanes-1:0][AccBits-1:0]  acc;
  logic [Lanes-1:0]               count_clip, code_clip;
  logic [Words-1:0]               cell_word;
  assign cell_lane  = index_i[WordBits +: LaneBits];
  assign table_lane = index_i[EntryBits +: LaneBits];
  assign cell_group  = index_i[WordBits + LaneBits +: GroupBits];
  assign table_group = index_i[EntryBits + LaneBits +: GroupBits];
  if (Words > 1) begin : gen_words
    assign cell_word = Words'(1) << index_i[WordBits-1:0];
  end else begin : gen_word
    assign cell_word = 1'b1;
  end
  assign cell_addr = cell_we_i ? cell_group : group_q[0];
  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    imc_lane #(.Rows(Rows), .Groups(Groups), .AccBits(AccBits)) u_lane (
      .clk_i,
      .cell_we_i(cell_we_i && cell_lane == LaneBits'(l) ? cell_word : '0), .cell_data_i(data_i),
      .table_we_i(table_we_i && table_lane == LaneBits'(l)),
      .table_addr_i({table_group, index_i[EntryBits-1:0]}), .table_data_i(data_i[15:0]),
      .level_i, .scale_i, .offset_i, .top_i,
      .drive_i(drive), .group_i(cell_addr), .group_3_i(group_q[3]), .segment_3_i(segment_q[3]),
      .first_7_i(first_q[7]), .shift_7_i(shift_q[7]), .negate_8_i(negate_q[8]),
      .count_clip_o(count_clip[l]), .code_clip_o(code_clip[l]), .acc_o(acc[l])
    );
  end
  always_ff @(posedge clk_i) begin
    count_clips_o <= valid_q[4] ? ClipBits'($countones(count_clip)) : '0;
    code_clips_o  <= valid_q[8] ? ClipBits'($countones(code_clip)) : '0;
  end

  // Results.
  logic            output_busy;
  logic [3:0]      y_clip;
  imc_output #(.Lanes(Lanes), .Groups(Groups), .AccBits(AccBits)) u_output (
    .clk_i, .rst_ni, .gain_we_i, .gain_addr_i(index_i[$clog2(Cols)-1:0]),
    .gain_data_i(data_i[15:0]),
    .start_i(start), .credit_o(credit), .valid_i(valid_q[9] & last_q[9]), .group_i(group_q[9]),
    .acc_i(acc),
    .m_valid_o, .m_ready_i, .m_data_o, .m_last_o, .clip_o(y_clip), .busy_o(output_busy)
  );
  assign y_clips_o = (m_valid_o & m_ready_i) ? 3'($countones(y_clip)) : 3'd0;
  assign busy_o    = frame_busy | planes_busy | output_busy;
  logic unused;
  assign unused = ^index_i;
endmodule
