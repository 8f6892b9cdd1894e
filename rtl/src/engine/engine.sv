// Runs a network on one array, sweep by sweep as its program says: chunks of input codes
// come in, results go out. See crossloom.rtl.compiler.words for the program and
// crossloom.rtl.compiler.program for how it is made; {Init}*.mem are its memories.
//
//   loader -> feature_memory -> window -> array -> accumulate -> drain -> post -> feature_memory
//                                      -> pooling               ->            -> scores -> result
// bank_*: writes 36 bits into a memory that branches have (program_pkg::memory_e), while idle_o.
// trace_*: every tap and every chunk, for simulation.
// Latency: crossloom.rtl.estimate.cycles. Throughput: Rows * Cols * Pix products a cycle.
// Model: crossloom.sim. Testbench: tests/rtl/test_engine_networks.py.
module engine #(
  parameter  int unsigned Rows      = 8,
  parameter  int unsigned Cols      = 8,
  parameter  int unsigned Pix       = 2,
  parameter  int unsigned Lanes     = 4,
  parameter  int unsigned Dsp       = 0,
  parameter  int unsigned XBits     = 4,    // of codes, weights and sums
  parameter  int unsigned WBits     = 4,
  parameter  int unsigned AccBits   = 20,
  parameter  int unsigned CodeBits  = 5,
  parameter  int          ShiftMin  = 0,
  parameter  int          ShiftMax  = 12,
  parameter  int unsigned Features  = 256,  // words a way
  parameter  int unsigned Weights   = 256,  // words
  parameter  int unsigned Params    = 64,
  parameter  int unsigned Tables    = 0,    // threshold words a lane
  parameter  int unsigned Steps     = 0,
  parameter  int unsigned ScaleBits = 1,
  parameter  int unsigned Results   = 4,
  parameter  int unsigned Sweeps    = 32,
  parameter  int unsigned Segments  = 32,
  parameter  int unsigned Branches  = 1,
  parameter  bit          Doubling  = 1'b0,
  parameter  bit          Timed     = 1'b0,  // edges of several time steps
  parameter  int unsigned Neurons   = 0,    // words of thresholds and leaks, 0 without neurons
  parameter  int unsigned MemBits   = 2,    // membranes, and the least of any layer
  parameter  int unsigned MemMin    = 2,
  parameter  int unsigned GuardMin  = 0,
  parameter  int unsigned GuardMax  = 0,
  parameter  int unsigned LeakMin   = 0,
  parameter  int unsigned LeakMax   = 0,
  parameter  int unsigned Most      = 1,    // spikes of a step
  parameter  bit          Later     = 1'b0, // resets a step later
  parameter  int unsigned Unroll      = 0,
  parameter               Init      = "",
  localparam int unsigned FeatureBits = Features > 1 ? $clog2(Features) : 1,
  localparam int unsigned IndexBits   = Sweeps > 1 ? $clog2(Sweeps) : 1,
  localparam int unsigned ClipBits    = $clog2(Lanes + 1) + (Neurons > 0 ? 1 : 0),
  localparam int unsigned SpikeBits   = $clog2(Lanes * Most + 1)
) (
  input  logic                          clk_i,
  input  logic                          rst_ni,
  input  logic                          s_valid_i, s_more_i,
  output logic                          s_ready_o,
  input  logic [Lanes-1:0][XBits-1:0]   s_data_i,
  input  logic [engine_pkg::STATUS_BITS-1:0] s_status_i,
  output logic                          m_valid_o, m_last_o, m_more_o,
  input  logic                          m_ready_i,
  output logic [63:0]                   m_data_o,
  input  logic                          bank_we_i,
  input  logic [program_pkg::MEMORY_BITS-1:0] bank_memory_i,
  input  logic [19:0]                   bank_addr_i,
  input  logic [15:0]                   bank_part_i,
  input  logic [35:0]                   bank_data_i,
  output logic                          idle_o,
  output logic                          image_o,       // an image begins
  output logic [ClipBits-1:0]           clipped_o,     // codes that a range replaced
  output logic [SpikeBits-1:0]          spiked_o,      // spikes
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
  localparam int unsigned Ways      = Pix == 1 ? 1 : 2 * Pix;
  localparam int unsigned WeightBits = Weights > 1 ? $clog2(Weights) : 1;
  localparam int unsigned ResultBits = Results > 1 ? $clog2(Results) : 1;
  localparam int unsigned BranchBits = Branches > 1 ? $clog2(Branches) : 1;
  localparam int unsigned WordParts  = (Cols * Rows * WBits + 35) / 36;
  localparam int unsigned WordPart   = WordParts > 1 ? $clog2(WordParts) : 1;
  localparam int unsigned Fetch      = 4;  // cycles from a tap to the array

  program_pkg::config_t               cfg;
  program_pkg::bank_t                 bank;
  logic [engine_pkg::BRANCH_BITS-1:0] branch;
  constants #(.Branches(Branches), .Init(Init)) u_constants (
    .clk_i, .branch_i(BranchBits'(branch)),
    .we_i(bank_we_i & (bank_memory_i == program_pkg::MEMORY_ROWS)),
    .we_branch_i(BranchBits'(bank_addr_i)), .we_rows_i(bank_data_i[16:0]), .config_o(cfg),
    .bank_o(bank)
  );

  // Input.
  logic                        image_valid, image_start, release_image, in_we, drain_we;
  logic                        chunk_soon, more;
  logic [FeatureBits-1:0]      image_base, in_addr, drain_addr;
  logic [1:0]                  in_way, drain_way;
  logic [engine_pkg::STATUS_BITS-1:0] status;
  logic [7:0]                  in_slot, drain_slot;
  logic [Lanes-1:0][XBits-1:0] in_data, code;
  loader #(
    .Rows(Rows), .Lanes(Lanes), .Ways(Ways), .XBits(XBits), .FeatureBits(FeatureBits)
  ) u_loader (
    .clk_i, .rst_ni, .config_i(cfg), .s_valid_i, .s_ready_o, .s_data_i, .s_status_i, .s_more_i,
    .image_valid_o(image_valid), .image_base_o(image_base), .start_i(image_start),
    .release_i(release_image), .status_o(status), .more_o(more), .hold_i(chunk_soon), .we_o(in_we),
    .we_addr_o(in_addr), .we_way_o(in_way), .we_slot_o(in_slot), .we_data_o(in_data)
  );

  // Taps.
  program_pkg::sweep_t    sweep;
  logic                   tap_valid, tap_first, tap_last, tap_shift, sweep_done, program_idle;
  logic                   branch_valid, result_free;
  logic [FeatureBits-1:0] base, row, plane;
  logic signed [13:0]     tap_y, tap_x;
  logic [WeightBits-1:0]  weight_addr;
  sequencer #(
    .FeatureBits(FeatureBits), .WeightBits(WeightBits), .Sweeps(Sweeps), .Segments(Segments),
    .Init(Init)
  ) u_sequencer (
    .clk_i, .rst_ni, .image_valid_i(image_valid), .image_base_i(image_base),
    .image_start_o(image_start), .branch_valid_i(branch_valid),
    .branch_weights_i(WeightBits'(bank.weights)), .result_free_i(result_free),
    .sweep_done_i(sweep_done), .idle_o(program_idle), .valid_o(tap_valid), .first_o(tap_first),
    .last_o(tap_last), .shift_o(tap_shift), .index_o(tap_sweep_o), .base_o(base), .row_o(row),
    .plane_o(plane), .y_o(tap_y), .x_o(tap_x), .weight_o(weight_addr), .sweep_o(sweep)
  );
  assign {tap_valid_o, image_o} = {tap_valid, image_start};
  assign idle_o = program_idle & result_free & ~image_valid;

  logic [Ways-1:0][FeatureBits-1:0]        addr;
  logic [Ways-1:0][Rows-1:0][XBits-1:0]    words;
  logic [Pix-1:0][Rows-1:0][XBits-1:0]      x, best;
  window #(
    .Rows(Rows), .Pix(Pix), .XBits(XBits), .FeatureBits(FeatureBits), .Unroll(Unroll)
  ) u_window (
    .clk_i, .rst_ni, .valid_i(tap_valid), .paired_i(sweep.paired), .unrolled_i(sweep.unrolled),
    .base_i(base), .row_i(row),
    .plane_i(plane), .y_i(tap_y), .x_i(tap_x), .step_x_i(sweep.step_x), .height_i(sweep.height),
    .width_i(sweep.width), .pad_i(XBits'(sweep.pad)), .addr_o(addr), .words_i(words), .x_o(x)
  );
  feature_memory #(
    .Rows(Rows), .Lanes(Lanes), .Ways(Ways), .XBits(XBits), .Words(Features)
  ) u_features (
    .clk_i, .addr_i(addr), .words_o(words), .we_i(drain_we | in_we),
    .we_addr_i(drain_we ? drain_addr : in_addr), .we_way_i(drain_we ? drain_way : in_way),
    .we_slot_i(drain_we ? drain_slot : in_slot), .we_data_i(drain_we ? code : in_data)
  );
  logic [WeightBits-1:0]                 weight_addr_late;
  logic [Cols-1:0][Rows-1:0][WBits-1:0]  weights;
  delay #(.Bits(WeightBits), .Cycles(Fetch - 2)) u_weight_addr (
    .clk_i, .d_i(weight_addr), .q_o(weight_addr_late)
  );
  wide_memory #(
    .Bits(Cols * Rows * WBits), .Words(Weights), .Init(Init), .File("weights.mem")
  ) u_weights (
    .clk_i, .addr_i(weight_addr_late), .data_o(weights),
    .we_i(bank_we_i & (bank_memory_i == program_pkg::MEMORY_WEIGHTS)),
    .we_addr_i(WeightBits'(bank_addr_i)),
    .we_part_i(WordPart'(bank_part_i)), .we_data_i(bank_data_i)
  );

  // Their sums and maxima.
  logic [Pix-1:0][Cols-1:0][AccBits-1:0] acc;
  logic [Pix-1:0][AccBits-1:0]           total;
  logic                                  acc_capture, pool_capture;
  products #(
    .Rows(Rows), .Cols(Cols), .Pix(Pix), .XBits(XBits), .WBits(WBits), .AccBits(AccBits),
    .Dsp(Dsp), .Fetch(Fetch), .Doubling(Doubling)
  ) u_products (
    .clk_i, .rst_ni, .valid_i(tap_valid), .pool_i(sweep.pool), .first_i(tap_first),
    .last_i(tap_last), .shift_i(tap_shift), .x_i(x), .w_i(weights), .acc_capture_o(acc_capture),
    .acc_o(acc), .total_o(total), .pool_capture_o(pool_capture), .best_o(best)
  );

  // What becomes of the sums.
  program_pkg::drain_t drain;
  logic                code_valid, score_valid;
  logic [Lanes-1:0][AccBits-1:0] raw;
  quantizer #(
    .Rows(Rows), .Cols(Cols), .Pix(Pix), .Lanes(Lanes), .XBits(XBits), .WBits(WBits),
    .AccBits(AccBits), .CodeBits(CodeBits), .ShiftMin(ShiftMin), .ShiftMax(ShiftMax),
    .Features(Features), .Params(Params), .Tables(Tables), .Steps(Steps), .ScaleBits(ScaleBits),
    .Timed(Timed), .Neurons(Neurons), .MemBits(MemBits), .MemMin(MemMin), .GuardMin(GuardMin),
    .GuardMax(GuardMax), .LeakMin(LeakMin), .LeakMax(LeakMax), .Most(Most), .Later(Later),
    .Sweeps(Sweeps), .Init(Init)
  ) u_quantizer (
    .clk_i, .rst_ni, .acc_capture_i(acc_capture), .acc_i(acc), .total_i(total),
    .pool_capture_i(pool_capture), .pool_i(best), .bank_i(bank), .bank_we_i, .bank_memory_i,
    .bank_addr_i, .bank_part_i, .bank_data_i, .drain_o(drain), .index_o(trace_sweep_o),
    .done_o(sweep_done), .code_soon_o(chunk_soon), .code_valid_o(code_valid),
    .score_valid_o(score_valid), .addr_o(drain_addr), .way_o(drain_way), .slot_o(drain_slot),
    .chunk_o(trace_chunk_o), .y_o(trace_y_o), .x_o(trace_x_o), .time_o(trace_time_o),
    .code_o(code), .raw_o(raw), .acc_o(trace_raw_o), .membrane_o(trace_membrane_o), .clipped_o,
    .spiked_o
  );
  assign {drain_we, trace_valid_o, trace_code_o} = {code_valid, code_valid | score_valid, code};

  scores #(.Lanes(Lanes), .AccBits(AccBits), .Words(Results)) u_scores (
    .clk_i, .rst_ni, .config_i(cfg), .we_i(score_valid),
    .we_addr_i(ResultBits'(drain.base) + ResultBits'(trace_chunk_o)), .we_data_i(raw),
    .start_i(image_start), .route_i(sweep_done & (drain.after == program_pkg::AFTER_ROUTE)),
    .finish_i(sweep_done & (drain.after == program_pkg::AFTER_FINISH)), .rows_i(bank.rows),
    .status_i(status), .more_i(more), .branch_o(branch), .branch_valid_o(branch_valid),
    .release_o(release_image), .free_o(result_free), .m_valid_o, .m_ready_i, .m_data_o, .m_last_o,
    .m_more_o
  );
endmodule
