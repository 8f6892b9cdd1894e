// Chunks of sums to codes: Requant, Threshold, spikes, or as they are (scores; maxima).
//
//   acc = sum_i + bias_i                                 (AccBits bits, signed)
//   raw = acc, or where neurons are between (drain_i.lif) their membrane: see neuron_lane
//   REQUANT    y = clip(round_shift(raw, shift_i), lo, hi) - lo
//   THRESHOLD  y = scale * number of thresholds <= raw
//   SPIKES     y = scale * spikes of the neurons
//   POOL       y = code_i
// place_i comes out as place_o with its codes; which of these it is follows from drain_i, which
// stays until a sweep's last chunk has left. acc_o and membrane_o are for who looks at the edges.
// Latency: 5 cycles, 7 where there are Neurons; thresholds `steps` + 1 more. Throughput: a chunk a
// cycle, or in `steps`; the same neurons again after 2 cycles.
// Model: crossloom.sim.ops. Testbench: tests/rtl/testbench_engine_arithmetic.py.
module post #(
  parameter  int unsigned Lanes     = 4,
  parameter  int unsigned XBits     = 4,
  parameter  int unsigned AccBits   = 20,
  parameter  int unsigned CodeBits  = 5,
  parameter  int          ShiftMin  = 0,
  parameter  int          ShiftMax  = 12,
  parameter  int unsigned Tables    = 0,   // threshold words a lane
  parameter  int unsigned Steps     = 0,   // most steps of a search
  parameter  int unsigned ScaleBits = 1,
  parameter  int unsigned Neurons   = 0,   // words of thresholds and leaks, 0 without neurons
  parameter  int unsigned MemBits   = 2,   // as neurons has them
  parameter  int unsigned MemMin    = 2,
  parameter  int unsigned GuardMin  = 0,
  parameter  int unsigned GuardMax  = 0,
  parameter  int unsigned LeakMin   = 0,
  parameter  int unsigned LeakMax   = 0,
  parameter  int unsigned Most      = 1,
  parameter  bit          Later     = 1'b0,
  parameter  int unsigned Cells     = 1,
  parameter  int unsigned PlaceBits = 8,
  parameter               Init      = "",
  localparam int unsigned TableBits = Tables > 1 ? $clog2(Tables) : 1,
  localparam int unsigned LaneBits  = Lanes > 1 ? $clog2(Lanes) : 1,
  localparam int unsigned CellBits  = Cells > 1 ? $clog2(Cells) : 1,
  localparam int unsigned ClipBits  = $clog2(Lanes + 1) + (Neurons > 0 ? 1 : 0),
  localparam int unsigned SpikeBits = $clog2(Lanes * Most + 1)
) (
  input  logic                          clk_i,
  input  logic                          rst_ni,
  input  program_pkg::drain_t           drain_i,
  input  logic                          valid_i,
  input  logic [PlaceBits-1:0]          place_i,
  input  logic [Lanes-1:0][AccBits-1:0] sum_i,
  input  logic [Lanes-1:0][AccBits-1:0] bias_i,
  input  logic [Lanes-1:0][6:0]         shift_i,
  input  logic [Lanes-1:0][XBits-1:0]   code_i,
  input  logic [TableBits-1:0]          table_i,
  input  logic [Lanes-1:0][MemBits-1:0] theta_i,
  input  logic [Lanes-1:0][3:0]         leak_i,
  input  logic [CellBits-1:0]           cell_i,
  input  logic                          fresh_i,     // the first step
  input  logic                          wr_valid_i,  // a threshold
  input  logic [LaneBits-1:0]           wr_lane_i,
  input  logic [TableBits-1:0]          wr_addr_i,
  input  logic [AccBits:0]              wr_data_i,
  output logic                          code_soon_o,  // code_valid_o in the next cycle
  output logic                          code_valid_o,
  output logic                          score_valid_o,
  output logic [PlaceBits-1:0]          place_o,
  output logic [Lanes-1:0][XBits-1:0]   code_o,
  output logic [Lanes-1:0][AccBits-1:0] raw_o,
  output logic [Lanes-1:0][AccBits-1:0] acc_o,
  output logic [Lanes-1:0][MemBits-1:0] membrane_o,
  output logic [ClipBits-1:0]           clipped_o,
  output logic [SpikeBits-1:0]          spiked_o
);
  localparam int unsigned Latency   = 4;  // of requant
  localparam int unsigned LaneClips = $clog2(Lanes + 1);

  logic                          valid, searched, front_valid;
  logic [Lanes-1:0][AccBits-1:0] raw, held_raw, front_sum, front_bias;
  logic [Lanes-1:0][6:0]         front_shift;
  logic [Lanes-1:0][XBits-1:0]   y, pooled, counted, spikes, front_code;
  logic [PlaceBits-1:0]          place, held_place, front_place;
  logic [TableBits-1:0]          table_word, front_table;
  logic [LaneClips-1:0]          clipped;
  logic [ClipBits-1:0]           saturated;

  // n times drain_i.scale, of ScaleBits bits.
  function automatic logic [XBits-1:0] scaled(input logic [XBits-1:0] n, input logic [16:0] scale);
    scaled = '0;
    for (int unsigned b = 0; b < ScaleBits; b++) if (scale[b]) scaled = scaled + (n << b);
  endfunction

  if (Neurons > 0) begin : gen_neurons
    localparam int unsigned VBits     = MemBits > AccBits ? MemBits : AccBits;
    localparam int unsigned CountBits = $clog2(Most + 1);
    localparam int unsigned SeenBits  = Lanes * (AccBits + MemBits);
    logic [Lanes-1:0][VBits-1:0]     v;
    logic [Lanes-1:0][CountBits-1:0] n, fired;
    logic [Lanes-1:0][AccBits-1:0]   acc, acc_late;
    logic [Lanes-1:0][MemBits-1:0]   membrane;
    logic [LaneClips-1:0]            clip, clip_late;
    logic [SeenBits-1:0]             now, seen, seen_q, held_seen;
    neurons #(
      .Lanes(Lanes), .AccBits(AccBits), .MemBits(MemBits), .MemMin(MemMin), .GuardMin(GuardMin),
      .GuardMax(GuardMax), .LeakMin(LeakMin), .LeakMax(LeakMax), .Most(Most), .Later(Later),
      .Cells(Cells)
    ) u_neurons (
      .clk_i, .rst_ni, .drain_i, .valid_i, .sum_i, .bias_i, .theta_i, .leak_i, .cell_i, .fresh_i,
      .valid_o(front_valid), .acc_o(acc), .v_o(v), .n_o(n), .clipped_o(clip)
    );
    delay #(
      .Bits(PlaceBits + TableBits + Lanes * (XBits + 7)), .Cycles(2)
    ) u_front (
      .clk_i, .d_i({place_i, table_i, code_i, shift_i}),
      .q_o({front_place, front_table, front_code, front_shift})
    );
    delay #(.Bits(Lanes * CountBits), .Cycles(Latency - 1)) u_fired (.clk_i, .d_i(n), .q_o(fired));
    delay #(.Bits(LaneClips), .Cycles(Latency)) u_clip (.clk_i, .d_i(clip), .q_o(clip_late));
    assign saturated  = ClipBits'(clip_late);
    assign front_bias = '0;
    always_comb begin
      for (int unsigned l = 0; l < Lanes; l++) begin
        front_sum[l] = AccBits'(v[l]);
        membrane[l]  = MemBits'(v[l]);
        spikes[l]    = scaled(XBits'(fired[l]), drain_i.scale);
      end
    end
    // What nothing but a simulation looks at.
    delay #(.Bits(Lanes * AccBits), .Cycles(1)) u_acc (.clk_i, .d_i(acc), .q_o(acc_late));
    assign now = {acc_late, membrane};
    delay #(.Bits(SeenBits), .Cycles(Latency)) u_seen (.clk_i, .d_i(now), .q_o(seen));
    always_ff @(posedge clk_i) begin
      automatic logic [SpikeBits-1:0] all = '0;
      for (int unsigned l = 0; l < Lanes; l++) all = all + SpikeBits'(fired[l]);
      spiked_o <= valid && drain_i.kind == program_pkg::KIND_SPIKES ? all : '0;
      if (valid) seen_q <= seen;
      held_seen <= seen_q;
      if (searched | valid) {acc_o, membrane_o} <= searched ? held_seen : seen;
    end
  end else begin : gen_no_neurons
    assign {front_valid, front_sum, front_bias, front_shift} = {valid_i, sum_i, bias_i, shift_i};
    assign {front_place, front_table, front_code} = {place_i, table_i, code_i};
    assign {spikes, saturated, spiked_o} = '0;
    assign {acc_o, membrane_o} = {raw_o, {Lanes*MemBits{1'b0}}};
    logic unused;
    assign unused = &{1'b0, theta_i, leak_i, cell_i, fresh_i};
  end

  requant #(
    .Lanes(Lanes), .AccBits(AccBits), .OutBits(XBits), .CodeBits(CodeBits), .ShiftMin(ShiftMin),
    .ShiftMax(ShiftMax)
  ) u_requant (
    .clk_i, .rst_ni, .valid_i(front_valid), .acc_i(front_sum), .bias_i(front_bias),
    .shift_i(front_shift), .rounding_i(drain_i.rounding),
    .lo_i(CodeBits'(drain_i.lo)), .span_i(XBits'(drain_i.span)), .valid_o(valid), .y_o(y),
    .raw_o(raw), .clipped_o(clipped)
  );
  delay #(.Bits(PlaceBits + TableBits + Lanes * XBits), .Cycles(Latency)) u_beside (
    .clk_i, .d_i({front_place, front_table, front_code}), .q_o({place, table_word, pooled})
  );

  if (Tables > 0) begin : gen_threshold
    localparam int unsigned StepBits = $clog2(Steps + 1);
    logic [Lanes-1:0][AccBits:0]   wide;
    logic [Lanes-1:0][Steps-1:0]   count;
    logic [Lanes-1:0][AccBits-1:0] raw_q;
    logic [PlaceBits-1:0]          place_q;
    logic                          ready, threshold;
    assign threshold = drain_i.kind == program_pkg::KIND_THRESHOLD;
    threshold #(
      .Lanes(Lanes), .TBits(AccBits + 1), .Depth(Tables), .Steps(Steps), .Init(Init)
    ) u_threshold (
      .clk_i, .rst_ni, .wr_valid_i, .wr_lane_i, .wr_addr_i, .wr_data_i,
      .valid_i(valid & threshold), .ready_o(ready), .acc_i(wide), .base_i(table_word),
      .steps_i(StepBits'(drain_i.steps)), .valid_o(searched), .count_o(count)
    );
    always_comb begin
      for (int unsigned l = 0; l < Lanes; l++) begin
        wide[l]    = (AccBits+1)'($signed(raw[l]));
        counted[l] = scaled(XBits'(count[l]), drain_i.scale);
      end
    end
    // A search may start in the cycle before the one before has ended: hence twice.
    always_ff @(posedge clk_i) begin
      if (valid) {raw_q, place_q} <= {raw, place};
      {held_raw, held_place} <= {raw_q, place_q};
    end
`ifndef SYNTHESIS
    always_ff @(posedge clk_i) begin
      if (rst_ni & valid & threshold) begin
        turn: assert (ready) else $error("post: a chunk came during a search; it is lost");
      end
    end
`endif
  end else begin : gen_no_threshold
    assign searched   = 1'b0;
    assign held_raw   = '0;
    assign held_place = '0;
    assign counted    = '0;
    logic unused;
    assign unused = &{1'b0, wr_valid_i, wr_lane_i, wr_addr_i, wr_data_i, table_word};
  end

  assign code_soon_o = searched | (valid & (drain_i.kind == program_pkg::KIND_REQUANT
                                            || drain_i.kind == program_pkg::KIND_SPIKES
                                            || drain_i.kind == program_pkg::KIND_POOL));
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      code_valid_o  <= 1'b0;
      score_valid_o <= 1'b0;
    end else begin
      code_valid_o  <= code_soon_o;
      score_valid_o <= valid & (drain_i.kind == program_pkg::KIND_LOGITS);
    end
    if (searched | valid) begin
      place_o <= searched ? held_place : place;
      raw_o   <= searched ? held_raw : raw;
      code_o  <= searched ? counted : drain_i.kind == program_pkg::KIND_POOL ? pooled
               : Neurons > 0 && drain_i.kind == program_pkg::KIND_SPIKES ? spikes : y;
    end
    clipped_o <= !valid ? '0 : saturated
               + (drain_i.kind == program_pkg::KIND_REQUANT ? ClipBits'(clipped) : '0);
  end
endmodule
