// Keeps the scores of an image, finds the best one of each level, and sends the result.
//
// Words of Lanes scores are written by we_*. route_i: the best of the coarse scores becomes the
// branch; finish_i: the best of its scores, of the rows_i that the branch has, is the row; then the
// result leaves as crossloom.sim.frames has it: {status, branch, row}, coarse scores, scores, one a
// beat, signed; m_more_o, which counts with m_last_o, is more_i at finish_i. branch_valid_o is
// false from start_i on until the branch is known. free_o: nothing is being searched or sent.
// release_o comes with the end of the search.
// Scores signed AccBits bits. Latency: count + 3 cycles to the branch, count + 4 to the first beat.
// Throughput: a beat a cycle.
// Model: crossloom.sim.frames.result_beats. Testbench: tests/rtl/testbench_engine_control.py.
module scores #(
  parameter  int unsigned Lanes    = 4,
  parameter  int unsigned AccBits  = 20,
  parameter  int unsigned Words    = 2,
  localparam int unsigned AddrBits = Words > 1 ? $clog2(Words) : 1,
  localparam int unsigned LaneBits = Lanes > 1 ? $clog2(Lanes) : 1,
  localparam int unsigned RowBits  = engine_pkg::ROW_BITS
) (
  input  logic                             clk_i,
  input  logic                             rst_ni,
  input  program_pkg::config_t             config_i,
  input  logic                             we_i,
  input  logic [AddrBits-1:0]              we_addr_i,
  input  logic [Lanes-1:0][AccBits-1:0]    we_data_i,
  input  logic                             start_i,
  input  logic                             route_i,
  input  logic                             finish_i,
  input  logic [16:0]                      rows_i,
  input  logic [engine_pkg::STATUS_BITS-1:0] status_i,
  input  logic                             more_i,
  output logic [engine_pkg::BRANCH_BITS-1:0] branch_o,
  output logic                             branch_valid_o,
  output logic                             release_o,
  output logic                             free_o,
  output logic                             m_valid_o,
  input  logic                             m_ready_i,
  output logic [63:0]                      m_data_o,
  output logic                             m_last_o,
  output logic                             m_more_o
);
  typedef enum logic [2:0] {Idle, Search, Last, Best, Header, Coarse, Scores} state_e;
  state_e              state_q;
  logic [16:0]         left_q;  // scores to read after this one
  logic [AddrBits-1:0] word_q;
  logic [LaneBits-1:0] lane_q;
  logic                finish_q, first_q, valid_q, first_score_q, step, end_of_words;
  logic [RowBits-1:0]  row;
  logic [16:0]         count_q;
  logic [engine_pkg::STATUS_BITS-1:0] status_q;
  logic                more_q;
  logic signed [AccBits-1:0] score, score_q;

  (* ram_style = "distributed" *) logic [Lanes-1:0][AccBits-1:0] mem [Words];
  logic [Lanes-1:0][AccBits-1:0] word;
  always_ff @(posedge clk_i) if (we_i) mem[we_addr_i] <= we_data_i;
  assign word  = mem[word_q];
  assign score = $signed(word[lane_q]);

  argmax #(.Bits(AccBits), .RowBits(RowBits)) u_argmax (
    .clk_i, .valid_i(valid_q), .first_i(first_score_q), .score_i(score_q), .count_i(count_q),
    .row_o(row)
  );

  assign free_o       = state_q == Idle & ~m_valid_o;
  assign release_o    = state_q == Best & finish_q;
  assign step         = state_q == Search
                      | ((state_q == Coarse | state_q == Scores) & (~m_valid_o | m_ready_i));
  assign end_of_words = lane_q == LaneBits'(Lanes - 1);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q        <= Idle;
      m_valid_o      <= 1'b0;
      valid_q        <= 1'b0;
      branch_valid_o <= 1'b0;
      branch_o       <= '0;
    end else begin
      valid_q <= state_q == Search;
      if (start_i) branch_valid_o <= 1'b0;
      if (m_ready_i) m_valid_o <= 1'b0;
      case (state_q)
        Idle:   if (route_i | finish_i) state_q <= Search;
        Search: if (left_q == '0) state_q <= Last;
        Last:   state_q <= Best;
        Best: begin
          state_q <= finish_q ? Header : Idle;
          if (~finish_q) {branch_valid_o, branch_o} <= {1'b1, row};
        end
        Header: begin
          m_valid_o <= 1'b1;
          state_q   <= config_i.coarse == '0 ? Scores : Coarse;
        end
        default: if (step) begin
          m_valid_o <= 1'b1;
          if (left_q == '0) state_q <= state_q == Coarse ? Scores : Idle;
        end
      endcase
    end
    // The reader: over one level to search it, over both to send them.
    first_q       <= state_q == Idle;
    first_score_q <= first_q;
    score_q       <= score;
    if (state_q == Idle) begin
      finish_q <= finish_i;
      status_q <= status_i;
      more_q   <= more_i;
      count_q  <= finish_i ? rows_i : config_i.coarse;
      left_q   <= (finish_i ? rows_i : config_i.coarse) - 1'b1;
      word_q   <= finish_i ? AddrBits'(config_i.fine) : '0;
      lane_q   <= '0;
    end else if (state_q == Header) begin
      left_q <= (config_i.coarse == '0 ? config_i.scores : config_i.coarse) - 1'b1;
      word_q <= '0;
      lane_q <= '0;
    end else if (step) begin
      left_q <= left_q - 1'b1;
      lane_q <= end_of_words ? '0 : lane_q + 1'b1;
      if (end_of_words) word_q <= word_q + 1'b1;
      if (state_q == Coarse && left_q == '0) begin
        left_q <= config_i.scores - 1'b1;
        word_q <= AddrBits'(config_i.fine);
        lane_q <= '0;
      end
    end
    if (state_q == Header) begin
      m_data_o <= {32'(status_q), branch_o, row};
      m_last_o <= 1'b0;
    end else if (step) begin
      m_data_o <= 64'(score);
      m_more_o <= more_q;
      m_last_o <= state_q == Scores && left_q == '0;
    end
  end
endmodule
