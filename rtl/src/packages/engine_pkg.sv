// What the engine shares with crossloom.sim.frames and crossloom.sim.types. Written by
// crossloom.rtl.compiler.engine_package from them: `python -m crossloom.rtl.write_packages`, a test
// compares them.
// verilator lint_off UNUSEDPARAM
package engine_pkg;
  // a beat of a frame, of a result, of a load
  localparam int unsigned BEAT_BITS = 64;
  // the best row in a result's first beat, from bit 0
  localparam int unsigned ROW_BITS = 16;
  // the branch that ran, above it; then the status
  localparam int unsigned BRANCH_BITS = 16;
  localparam int unsigned STATUS_BITS = 4;
  typedef enum logic [3:0] {
    STATUS_OK = 4'd0,
    STATUS_SHORT = 4'd1,
    STATUS_LONG = 4'd2,
    STATUS_FOREIGN = 4'd3
  } status_e;
  localparam int unsigned ROUNDING_BITS = 2;
  typedef enum logic [1:0] {
    ROUNDING_FLOOR = 2'd0,
    ROUNDING_HALF_UP = 2'd1,
    ROUNDING_HALF_EVEN = 2'd2
  } rounding_e;
`ifndef SYNTHESIS
  // A memory's file in simulation: name, in the folder of the plus argument +program=FOLDER/, so
  // that one build runs many networks; "" without the argument.
  function automatic string simulated(input string name);
    string folder;
    if ($value$plusargs("program=%s", folder) == 0) return "";
    return {folder, name};
  endfunction
`endif
endpackage
// verilator lint_on UNUSEDPARAM
