// Addresses and bits of imc_tile. Written by crossloom.rtl.registers from its description;
// change that and run `python -m crossloom.rtl.write_packages`, a test compares them.
// verilator lint_off UNUSEDPARAM
package imc_tile_regs_pkg;
  // ro: the letters IMC1
  localparam logic [19:0] ID_OFFSET = 20'h00000;
  localparam logic [31:0] ID_RESET = 32'h494d4331;
  // ro: major in the upper half
  localparam logic [19:0] VERSION_OFFSET = 20'h00004;
  localparam logic [31:0] VERSION_RESET = 32'h00010000;
  // ro: the array
  localparam logic [19:0] GEOMETRY_OFFSET = 20'h00008;
  // rows
  localparam int unsigned GEOMETRY_ROWS_LSB = 0;
  localparam logic [31:0] GEOMETRY_ROWS_MASK = 32'h0000ffff;
  // columns
  localparam int unsigned GEOMETRY_COLS_LSB = 16;
  localparam logic [31:0] GEOMETRY_COLS_MASK = 32'hffff0000;
  // ro: columns a cycle
  localparam logic [19:0] LANES_OFFSET = 20'h0000c;
  // wo: actions
  localparam logic [19:0] CONTROL_OFFSET = 20'h00010;
  // drop every frame inside, keep settings and memories; reset the DMA as well
  localparam int unsigned CONTROL_RESET_LSB = 0;
  localparam logic [31:0] CONTROL_RESET_MASK = 32'h00000001;
  // set all counters to 0
  localparam int unsigned CONTROL_CLEAR_LSB = 1;
  localparam logic [31:0] CONTROL_CLEAR_MASK = 32'h00000002;
  // ro: state
  localparam logic [19:0] STATUS_OFFSET = 20'h00014;
  // frames are inside
  localparam int unsigned STATUS_BUSY_LSB = 0;
  localparam logic [31:0] STATUS_BUSY_MASK = 32'h00000001;
  // discarding a long frame's tail
  localparam int unsigned STATUS_DROP_LSB = 1;
  localparam logic [31:0] STATUS_DROP_MASK = 32'h00000002;
  // w1c: what went wrong since it was cleared
  localparam logic [19:0] ERROR_OFFSET = 20'h00018;
  // a frame ended early and was dropped
  localparam int unsigned ERROR_SHORT_LSB = 0;
  localparam logic [31:0] ERROR_SHORT_MASK = 32'h00000001;
  // a frame did not end and was dropped; clearing this accepts the next beat as a new frame
  localparam int unsigned ERROR_LONG_LSB = 1;
  localparam logic [31:0] ERROR_LONG_MASK = 32'h00000002;
  // settings or memories were written while frames were inside; the write was ignored
  localparam int unsigned ERROR_BUSY_LSB = 2;
  localparam logic [31:0] ERROR_BUSY_MASK = 32'h00000004;
  // an address without a register was read (as 0) or written (ignored)
  localparam int unsigned ERROR_ADDRESS_LSB = 3;
  localparam logic [31:0] ERROR_ADDRESS_MASK = 32'h00000008;
  // a value out of range or a partial word was written; the write was ignored
  localparam int unsigned ERROR_VALUE_LSB = 4;
  localparam logic [31:0] ERROR_VALUE_MASK = 32'h00000010;
  // the output waited TIMEOUT cycles for its reader; nothing is lost
  localparam int unsigned ERROR_STALL_LSB = 5;
  localparam logic [31:0] ERROR_STALL_MASK = 32'h00000020;
  // rw: inputs and segments
  localparam logic [19:0] FORMAT_OFFSET = 20'h0001c;
  localparam logic [31:0] FORMAT_RESET = 32'h00000108;
  // bits of an input, 1..8
  localparam int unsigned FORMAT_BITS_LSB = 0;
  localparam logic [31:0] FORMAT_BITS_MASK = 32'h0000000f;
  // inputs are two's complement: the top bit counts -2**(BITS-1)
  localparam int unsigned FORMAT_SIGNED_LSB = 4;
  localparam logic [31:0] FORMAT_SIGNED_MASK = 32'h00000010;
  // row segments activated in turn, 1..ROWS/32
  localparam int unsigned FORMAT_SEGMENTS_LSB = 8;
  localparam logic [31:0] FORMAT_SEGMENTS_MASK = 32'h00000f00;
  // rw: codes per table unit, 2**-16 each, 16 bits
  localparam logic [19:0] ADC_SCALE_OFFSET = 20'h00020;
  localparam logic [31:0] ADC_SCALE_RESET = 32'h00000200;
  // rw: added before the floor, 2**-16 codes, signed 32 bits
  localparam logic [19:0] ADC_OFFSET_OFFSET = 20'h00024;
  localparam logic [31:0] ADC_OFFSET_RESET = 32'h00008000;
  // rw: largest code, 8 bits
  localparam logic [19:0] ADC_TOP_OFFSET = 20'h00028;
  localparam logic [31:0] ADC_TOP_RESET = 32'h000000ff;
  // rw: cycles of waiting output that set ERROR.STALL; 0 is never
  localparam logic [19:0] TIMEOUT_OFFSET = 20'h0002c;
  localparam logic [31:0] TIMEOUT_RESET = 32'h00100000;
  // ro: good frames taken
  localparam logic [19:0] FRAMES_IN_OFFSET = 20'h00040;
  // ro: frames of results sent
  localparam logic [19:0] FRAMES_OUT_OFFSET = 20'h00044;
  // ro: short and long frames
  localparam logic [19:0] FRAMES_DROPPED_OFFSET = 20'h00048;
  // ro: errors of any kind
  localparam logic [19:0] ERRORS_OFFSET = 20'h0004c;
  // ro: cycles in which the columns worked
  localparam logic [19:0] STEPS_OFFSET = 20'h00050;
  // ro: cycles in which the output waited
  localparam logic [19:0] STALLS_OFFSET = 20'h00054;
  // ro: popcounts beyond the last entry of their table
  localparam logic [19:0] COUNT_CLIPS_OFFSET = 20'h00058;
  // ro: ADC codes clipped at 0 or at ADC_TOP
  localparam logic [19:0] CODE_CLIPS_OFFSET = 20'h0005c;
  // ro: results saturated to 16 bits
  localparam logic [19:0] Y_CLIPS_OFFSET = 20'h00060;
  // word k: the inputs of rows 4k .. 4k+3, a byte each
  localparam logic [19:0] PERM_OFFSET = 20'h01000;
  localparam logic [19:0] PERM_SIZE = 20'h00100;
  // word segment * ROWS/32 + w: rows 32w .. 32w+31 of a segment
  localparam logic [19:0] MASK_OFFSET = 20'h02000;
  localparam logic [19:0] MASK_SIZE = 20'h00100;
  // word c: column c's gain, unsigned Q1.15
  localparam logic [19:0] GAIN_OFFSET = 20'h03000;
  localparam logic [19:0] GAIN_SIZE = 20'h00400;
  // word c * ROWS/32 + w: rows 32w .. 32w+31 of column c
  localparam logic [19:0] CELL_OFFSET = 20'h08000;
  localparam logic [19:0] CELL_SIZE = 20'h02000;
  // word c * 2*ROWS + entry: column c's transfer table, 16 bits
  localparam logic [19:0] TABLE_OFFSET = 20'h80000;
  localparam logic [19:0] TABLE_SIZE = 20'h80000;
endpackage
// verilator lint_on UNUSEDPARAM
