// Chunks of sums to codes: Requant, Threshold, or as they are (scores; maxima, which are codes).
//
//   raw = sum_i + bias_i                                 (AccBits bits, signed)
//   REQUANT    y = clip(round_shift(raw, shift_i), lo, hi) - lo
//   THRESHOLD  y = scale * number of thresholds <= raw
//   POOL       y = code_i
// place_i comes out as place_o with its codes; which of these it is follows from drain_i, which
// stays until a sweep's last chunk has left.
// Latency: 5 cycles, thresholds `steps` + 1 more. Throughput: a chunk a cycle, or in `steps`.
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
  parameter  int unsigned PlaceBits = 8,
  parameter               Init      = "",
  localparam int unsigned TableBits = Tables > 1 ? $clog2(Tables) : 1,
  localparam int unsigned LaneBits  = Lanes > 1 ? $clog2(Lanes) : 1,
  localparam int unsigned ClipBits  = $clog2(Lanes + 1)
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
  output logic [ClipBits-1:0]           clipped_o
);
  localparam int unsigned Latency = 4;  // of requant

  logic                          valid, searched;
  logic [Lanes-1:0][AccBits-1:0] raw, held_raw;
  logic [Lanes-1:0][XBits-1:0]   y, pooled, counted;
  logic [PlaceBits-1:0]          place, held_place;
  logic [TableBits-1:0]          table_word;
  logic [ClipBits-1:0]           clipped;

  requant #(
    .Lanes(Lanes), .AccBits(AccBits), .OutBits(XBits), .CodeBits(CodeBits), .ShiftMin(ShiftMin),
    .ShiftMax(ShiftMax)
  ) u_requant (
    .clk_i, .rst_ni, .valid_i, .acc_i(sum_i), .bias_i, .shift_i, .rounding_i(drain_i.rounding),
    .lo_i(CodeBits'(drain_i.lo)), .span_i(XBits'(drain_i.span)), .valid_o(valid), .y_o(y),
    .raw_o(raw), .clipped_o(clipped)
  );
  delay #(.Bits(PlaceBits + TableBits + Lanes * XBits), .Cycles(Latency)) u_beside (
    .clk_i, .d_i({place_i, table_i, code_i}), .q_o({place, table_word, pooled})
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
        counted[l] = '0;
        for (int unsigned b = 0; b < ScaleBits; b++) begin
          if (drain_i.scale[b]) counted[l] = counted[l] + (XBits'(count[l]) << b);
        end
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
      code_o  <= searched ? counted : drain_i.kind == program_pkg::KIND_POOL ? pooled : y;
    end
    clipped_o <= valid && drain_i.kind == program_pkg::KIND_REQUANT ? clipped : '0;
  end
endmodule
