// The words of the engine's program. Written by crossloom.rtl.compiler.words, which says what
// they mean: `python -m crossloom.rtl.write_packages`, a test compares them.
// verilator lint_off UNUSEDPARAM
package program_pkg;
  localparam int unsigned KIND_BITS = 4;
  typedef enum logic [3:0] {
    KIND_REQUANT = 4'd0,
    KIND_THRESHOLD = 4'd1,
    KIND_LOGITS = 4'd2,
    KIND_POOL = 4'd3,
    KIND_SPIKES = 4'd4
  } kind_e;
  localparam int unsigned AFTER_BITS = 3;
  typedef enum logic [2:0] {
    AFTER_NOTHING = 3'd0,
    AFTER_ROUTE = 3'd1,
    AFTER_FINISH = 3'd2
  } after_e;
  localparam int unsigned MEMORY_BITS = 4;
  typedef enum logic [3:0] {
    MEMORY_WEIGHTS = 4'd0,
    MEMORY_PARAMS = 4'd1,
    MEMORY_TABLES = 4'd2,
    MEMORY_ROWS = 4'd3,
    MEMORY_NEURONS = 4'd4
  } memory_e;
  localparam int unsigned RESET_BITS = 2;
  typedef enum logic [1:0] {
    RESET_NONE = 2'd0,
    RESET_SUBTRACT = 2'd1,
    RESET_ZERO = 2'd2
  } reset_e;
  localparam int unsigned SWEEP_BITS = 318;
  typedef struct packed {
    logic [0:0] last;
    logic [0:0] sync;
    logic [0:0] result;
    logic [0:0] banked;
    logic [0:0] pool;
    logic [0:0] hold;
    logic [0:0] unrolled;
    logic [0:0] paired;
    logic [19:0] weights;
    logic [11:0] first_segment;
    logic [11:0] last_segment;
    logic [12:0] kernel_h;
    logic [12:0] kernel_w;
    logic [12:0] height;
    logic [12:0] width;
    logic [12:0] out_h;
    logic [12:0] out_w;
    logic [12:0] y0;
    logic [12:0] x0;
    logic [7:0] step_y;
    logic [7:0] step_x;
    logic [9:0] jump_x;
    logic [19:0] row;
    logic [19:0] row0;
    logic [19:0] row_step;
    logic [19:0] plane;
    logic [31:0] pad;
    logic [15:0] cool;
    logic [7:0] gap;
  } sweep_t;
  localparam int unsigned SEGMENT_BITS = 35;
  typedef struct packed {
    logic [19:0] base;
    logic [11:0] blocks;
    logic [0:0] image;
    logic [0:0] shift;
    logic [0:0] stop;
  } segment_t;
  localparam int unsigned DRAIN_BITS = 317;
  typedef struct packed {
    logic [3:0] kind;
    logic [2:0] after;
    logic [0:0] banked;
    logic [0:0] paired;
    logic [12:0] out_h;
    logic [12:0] out_w;
    logic [19:0] base;
    logic [19:0] row;
    logic [19:0] plane;
    logic [7:0] chunk;
    logic [7:0] chunks;
    logic [19:0] params;
    logic [1:0] rounding;
    logic [32:0] lo;
    logic [31:0] span;
    logic [19:0] tables;
    logic [4:0] steps;
    logic [16:0] scale;
    logic [11:0] times;
    logic [19:0] image;
    logic [0:0] hold;
    logic [0:0] lif;
    logic [19:0] neurons;
    logic [4:0] guard;
    logic [5:0] limit;
    logic [1:0] reset;
    logic [0:0] later;
    logic [0:0] strict;
    logic [7:0] most;
  } drain_t;
  localparam int unsigned CONFIG_BITS = 204;
  typedef struct packed {
    logic [12:0] height;
    logic [12:0] width;
    logic [11:0] chunks;
    logic [19:0] row;
    logic [19:0] plane;
    logic [19:0] base;
    logic [19:0] base2;
    logic [31:0] lo;
    logic [16:0] coarse;
    logic [16:0] scores;
    logic [19:0] fine;
  } config_t;
  localparam int unsigned BANK_BITS = 97;
  typedef struct packed {
    logic [19:0] weights;
    logic [19:0] params;
    logic [19:0] tables;
    logic [19:0] neurons;
    logic [16:0] rows;
  } bank_t;
endpackage
// verilator lint_on UNUSEDPARAM
