// Addresses and bits of core. Written by crossloom.rtl.registers from its description;
// change that and run `python -m crossloom.rtl.write_packages`, a test compares them.
// verilator lint_off UNUSEDPARAM
package core_regs_pkg;
  // ro: the letters CLO1
  localparam logic [11:0] ID_OFFSET = 12'h000;
  localparam logic [31:0] ID_RESET = 32'h434c4f31;
  // ro: major in the upper half
  localparam logic [11:0] VERSION_OFFSET = 12'h004;
  localparam logic [31:0] VERSION_RESET = 32'h00010001;
  // wo: actions
  localparam logic [11:0] CONTROL_OFFSET = 12'h008;
  // drop every frame inside, keep banks and settings; reset the DMA as well
  localparam int unsigned CONTROL_RESET_LSB = 0;
  localparam logic [31:0] CONTROL_RESET_MASK = 32'h00000001;
  // set all counters to 0
  localparam int unsigned CONTROL_CLEAR_LSB = 1;
  localparam logic [31:0] CONTROL_CLEAR_MASK = 32'h00000002;
  // ro: state
  localparam logic [11:0] STATUS_OFFSET = 12'h00c;
  // an image is inside
  localparam int unsigned STATUS_BUSY_LSB = 0;
  localparam logic [31:0] STATUS_BUSY_MASK = 32'h00000001;
  // discarding a long frame's tail
  localparam int unsigned STATUS_DROP_LSB = 1;
  localparam logic [31:0] STATUS_DROP_MASK = 32'h00000002;
  // w1c: what went wrong since it was cleared
  localparam logic [11:0] ERROR_OFFSET = 12'h010;
  // a frame ended early; its result has status SHORT
  localparam int unsigned ERROR_SHORT_LSB = 0;
  localparam logic [31:0] ERROR_SHORT_MASK = 32'h00000001;
  // a packet did not end; its last result has status LONG; clearing this ends the drop
  localparam int unsigned ERROR_LONG_LSB = 1;
  localparam logic [31:0] ERROR_LONG_MASK = 32'h00000002;
  // a bank or PACKET was written while an image was inside; the write was ignored
  localparam int unsigned ERROR_BUSY_LSB = 2;
  localparam logic [31:0] ERROR_BUSY_MASK = 32'h00000004;
  // an address without a register was read (as 0) or written (ignored)
  localparam int unsigned ERROR_ADDRESS_LSB = 3;
  localparam logic [31:0] ERROR_ADDRESS_MASK = 32'h00000008;
  // a partial word, a place without a bank, or a wrong count of classes or frames was written, in
  // vain
  localparam int unsigned ERROR_VALUE_LSB = 4;
  localparam logic [31:0] ERROR_VALUE_MASK = 32'h00000010;
  // the output waited TIMEOUT cycles for its reader; nothing is lost
  localparam int unsigned ERROR_STALL_LSB = 5;
  localparam logic [31:0] ERROR_STALL_MASK = 32'h00000020;
  // rw: cycles of waiting output that set ERROR.STALL; 0 is never
  localparam logic [11:0] TIMEOUT_OFFSET = 12'h014;
  localparam logic [31:0] TIMEOUT_RESET = 32'h00100000;
  // rw: frames that a packet may have, 1..65535; TLAST ends a packet of frames, and that of their
  // results
  localparam logic [11:0] PACKET_OFFSET = 12'h028;
  localparam logic [31:0] PACKET_RESET = 32'h00000001;
  // rw: where BANK_DATA writes
  localparam logic [11:0] BANK_PLACE_OFFSET = 12'h018;
  // word
  localparam int unsigned BANK_PLACE_WORD_LSB = 0;
  localparam logic [31:0] BANK_PLACE_WORD_MASK = 32'h000fffff;
  // 0 weights, 1 params, 2 tables, 3 rows, 4 neurons
  localparam int unsigned BANK_PLACE_MEMORY_LSB = 20;
  localparam logic [31:0] BANK_PLACE_MEMORY_MASK = 32'h00f00000;
  // rw: part of the word, 16 bits; a write to BANK_DATA adds 1
  localparam logic [11:0] BANK_PART_OFFSET = 12'h01c;
  // rw: the upper 4 of the 36 bits that BANK_DATA writes
  localparam logic [11:0] BANK_HIGH_OFFSET = 12'h024;
  // wo: 36 bits of a bank, these the lower 32; WEIGHTS reads 0 from then until WEIGHTS_7 is
  // written
  localparam logic [11:0] BANK_DATA_OFFSET = 12'h020;
  // ro: SHA-256 of the structure that the core was built for, first bytes lowest
  localparam logic [11:0] STRUCTURE_0_OFFSET = 12'h040;
  // ro:
  localparam logic [11:0] STRUCTURE_1_OFFSET = 12'h044;
  // ro:
  localparam logic [11:0] STRUCTURE_2_OFFSET = 12'h048;
  // ro:
  localparam logic [11:0] STRUCTURE_3_OFFSET = 12'h04c;
  // ro:
  localparam logic [11:0] STRUCTURE_4_OFFSET = 12'h050;
  // ro:
  localparam logic [11:0] STRUCTURE_5_OFFSET = 12'h054;
  // ro:
  localparam logic [11:0] STRUCTURE_6_OFFSET = 12'h058;
  // ro:
  localparam logic [11:0] STRUCTURE_7_OFFSET = 12'h05c;
  // ro: SHA-256 of structure and the tensors that cannot be rewritten
  localparam logic [11:0] FIXED_0_OFFSET = 12'h060;
  // ro:
  localparam logic [11:0] FIXED_1_OFFSET = 12'h064;
  // ro:
  localparam logic [11:0] FIXED_2_OFFSET = 12'h068;
  // ro:
  localparam logic [11:0] FIXED_3_OFFSET = 12'h06c;
  // ro:
  localparam logic [11:0] FIXED_4_OFFSET = 12'h070;
  // ro:
  localparam logic [11:0] FIXED_5_OFFSET = 12'h074;
  // ro:
  localparam logic [11:0] FIXED_6_OFFSET = 12'h078;
  // ro:
  localparam logic [11:0] FIXED_7_OFFSET = 12'h07c;
  // rw: SHA-256 of everything, for the banks' present content
  localparam logic [11:0] WEIGHTS_0_OFFSET = 12'h080;
  // rw:
  localparam logic [11:0] WEIGHTS_1_OFFSET = 12'h084;
  // rw:
  localparam logic [11:0] WEIGHTS_2_OFFSET = 12'h088;
  // rw:
  localparam logic [11:0] WEIGHTS_3_OFFSET = 12'h08c;
  // rw:
  localparam logic [11:0] WEIGHTS_4_OFFSET = 12'h090;
  // rw:
  localparam logic [11:0] WEIGHTS_5_OFFSET = 12'h094;
  // rw:
  localparam logic [11:0] WEIGHTS_6_OFFSET = 12'h098;
  // rw:
  localparam logic [11:0] WEIGHTS_7_OFFSET = 12'h09c;
  // ro: frames begun by the engine
  localparam logic [11:0] FRAMES_IN_OFFSET = 12'h0c0;
  // ro: results sent
  localparam logic [11:0] FRAMES_OUT_OFFSET = 12'h0c4;
  // ro: frames that ended early
  localparam logic [11:0] FRAMES_SHORT_OFFSET = 12'h0c8;
  // ro: frames that did not end
  localparam logic [11:0] FRAMES_LONG_OFFSET = 12'h0cc;
  // ro: errors of any kind
  localparam logic [11:0] ERRORS_OFFSET = 12'h0d0;
  // ro: cycles in which an image was inside
  localparam logic [11:0] CYCLES_OFFSET = 12'h0d4;
  // ro: cycles in which the output waited
  localparam logic [11:0] STALLS_OFFSET = 12'h0d8;
  // ro: codes clipped to their type's range, and membranes to theirs
  localparam logic [11:0] SATURATIONS_OFFSET = 12'h0dc;
  // ro: spikes that neurons made; 0 where there are none
  localparam logic [11:0] SPIKES_OFFSET = 12'h0e0;
endpackage
// verilator lint_on UNUSEDPARAM
