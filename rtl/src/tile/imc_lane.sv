// One lane of the tile: Groups columns of Rows one-bit cells that share a popcount, a table, an ADC
// and an adder.
//
//   count = sum over rows of drive[r] & weight[column][r]               unsigned, 0..Rows
//   t     = table[column][entry]                          unsigned, 16 bits (entry below)
//   code  = clip((t * scale + offset) >> 16, 0, top)                    8 bits; >> is a floor
//   acc   = (first ? 0 : shift ? 2 * acc : acc) + (negate ? -code : code)    signed, AccBits bits
//
// entry = segment * 2**field + min(count, 2**field - 1), field = EntryBits - level_i bits,
// level_i = ceil(log2(segments)).
// scale is unsigned 16 bits, offset signed 32 bits, top unsigned 8 bits. AccBits holds 8 planes of
// 255 in every segment.
// Latency: from drive_i to acc_o 9 cycles, one column a cycle in a fixed turn of Groups; nothing
// stalls.
// What travels with a step comes in as late as it is used, n cycles after the drive: name_<n>_i.
// Memories have no reset; the cells have one address for reading and writing, so the host writes
// only while nothing runs.
// Model: crossloom.sim.crossbar.twin. Testbench: tests/rtl/test_benches.py.
(* keep_hierarchy *)
module imc_lane #(
  parameter  int unsigned Rows      = 128,
  parameter  int unsigned Groups    = 4,
  parameter  int unsigned AccBits   = 19,
  localparam int unsigned Words     = Rows / 32,
  localparam int unsigned CountBits = $clog2(Rows + 1),
  localparam int unsigned GroupBits = $clog2(Groups),
  localparam int unsigned LevelBits = Words > 1 ? $clog2($clog2(Words) + 1) : 1,
  localparam int unsigned SegBits   = Words > 1 ? $clog2(Words) : 1
) (
  input  logic                           clk_i,
  // Writing: cells are written 32 rows of one column at a time, the table one entry at a time.
  input  logic [Words-1:0]               cell_we_i,
  input  logic [31:0]                    cell_data_i,
  input  logic                           table_we_i,
  input  logic [GroupBits+CountBits-1:0] table_addr_i,
  input  logic [15:0]                    table_data_i,
  // Settings, constant while a product runs.
  input  logic [LevelBits-1:0]           level_i,
  input  logic [15:0]                    scale_i,
  input  logic signed [31:0]             offset_i,
  input  logic [7:0]                     top_i,
  // The step.
  input  logic [Rows-1:0]                drive_i,
  input  logic [GroupBits-1:0]           group_i,     // also the address when cells are written
  input  logic [GroupBits-1:0]           group_3_i,   // group and segment of three cycles ago
  input  logic [SegBits-1:0]             segment_3_i,
  input  logic                           first_7_i,   // of seven cycles ago
  input  logic                           shift_7_i,
  input  logic                           negate_8_i,  // of eight cycles ago
  output logic                           count_clip_o,  // with the step of 4 cycles ago
  output logic                           code_clip_o,   // with the step of 8 cycles ago
  output logic signed [AccBits-1:0]      acc_o
);
  localparam int unsigned EntryBits = CountBits;

  if (Rows != 32 && Rows != 64 && Rows != 128 && Rows != 256) begin : gen_rows
    $error("imc_lane: Rows is %0d; 32, 64, 128 or 256 is needed", Rows);
  end

  if (Groups < 2) begin : gen_groups
    $error("imc_lane: Groups is %0d; at least 2 is needed", Groups);
  end

  // The cells: distributed RAM, 32 rows a word.
  logic [Rows-1:0] cells;
  for (genvar w = 0; w < Words; w++) begin : gen_cells
    (* ram_style = "distributed" *) logic [31:0] mem [2**GroupBits];
    always_ff @(posedge clk_i) if (cell_we_i[w]) mem[group_i] <= cell_data_i;
    assign cells[32*w +: 32] = mem[group_i];
  end

  logic [CountBits-1:0] count;
  popcount_and #(.Width(Rows)) u_popcount (
    .clk_i, .a_i(drive_i), .b_i(cells), .count_o(count)
  );

  // The table's entry: with more segments, fewer bits of the count.
  logic [EntryBits-1:0] limit, entry;
  logic                 too_high;
  assign limit    = {EntryBits{1'b1}} >> level_i;
  assign too_high = count > limit;
  assign entry    = (too_high ? limit : count)
                  | EntryBits'(({EntryBits'(segment_3_i), {EntryBits{1'b0}}} >> level_i));
  always_ff @(posedge clk_i) count_clip_o <= too_high;

  // The transfer table, one block RAM.
  (* ram_style = "block" *) logic [15:0] transfer [2**(GroupBits + EntryBits)];
  logic [15:0] t_q;
  always_ff @(posedge clk_i) begin
    if (table_we_i) transfer[table_addr_i] <= table_data_i;
    t_q <= transfer[{group_3_i, entry}];
  end

  logic [7:0] code;
  imc_adc u_adc (
    .clk_i, .t_i(t_q), .scale_i, .offset_i, .top_i, .code_o(code), .clip_o(code_clip_o)
  );

  // Shift-add, one accumulator a column, in turn. What the sum starts from is made a cycle early:
  // clearing then is
  // a reset of flip-flops, and no shift register hides in LUTs.
  logic [Groups-1:0][AccBits-1:0] acc_q;
  logic signed [AccBits-1:0]      addend;
  assign addend = AccBits'($signed({1'b0, code}));
  always_ff @(posedge clk_i) begin
    acc_q[0] <= negate_8_i ? acc_q[Groups-1] - addend : acc_q[Groups-1] + addend;
    for (int unsigned g = 1; g < Groups - 1; g++) acc_q[g] <= acc_q[g-1];
    acc_q[Groups-1] <= shift_7_i ? acc_q[Groups-2] << 1 : acc_q[Groups-2];
    if (first_7_i) acc_q[Groups-1] <= '0;
  end
  assign acc_o = $signed(acc_q[0]);
endmodule
