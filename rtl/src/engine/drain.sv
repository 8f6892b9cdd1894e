// Takes a captured output apart: chunks of Lanes channels, pixel by pixel, with the place of each.
//
//   sum_o[l] = acc_i[p][chunk * Lanes + l] - total_i[p] * 2**(WBits-1)  (weights are stored offset)
// modulo 2**AccBits; code_o likewise of pool_i. Which sweep a capture belongs to follows from their
// order: the drain walks through the same program, one sweep behind.
// A chunk leaves every cycle, or every `steps` cycles for thresholds; done_i tells that the last
// one of the sweep is written. An output of `times` + 1 time steps is as many captures, or with
// `hold` one that leaves as often; neurons' cells are its chunks, which are fresh_o at the first.
// Latency: capture to the first sum_o 2 cycles; param_o, neuron_o and table_o come 2, 2 and 0
// cycles before it.
// Model: tests/rtl/engine_interpreter.py. Testbench: tests/rtl/testbench_engine_program.py.
module drain #(
  parameter  int unsigned Rows        = 8,
  parameter  int unsigned Cols        = 8,
  parameter  int unsigned Pix         = 2,
  parameter  int unsigned Lanes       = 4,
  parameter  int unsigned XBits       = 4,
  parameter  int unsigned WBits       = 4,
  parameter  int unsigned AccBits     = 20,
  parameter  int unsigned FeatureBits = 10,
  parameter  int unsigned ParamBits   = 8,
  parameter  int unsigned TableBits   = 8,
  parameter  int unsigned NeuronBits  = 1,
  parameter  bit          Timed       = 1'b0,
  parameter  int unsigned Sweeps      = 32,
  parameter               Init        = "",
  localparam int unsigned IndexBits   = Sweeps > 1 ? $clog2(Sweeps) : 1,
  localparam int unsigned ChunkBits   = Cols > Lanes ? $clog2(Cols / Lanes) : 1,
  localparam int unsigned CellBits    = ChunkBits + (Pix > 1 ? 1 : 0)
) (
  input  logic                                  clk_i,
  input  logic                                  rst_ni,
  input  logic                                  acc_capture_i,
  input  logic [Pix-1:0][Cols-1:0][AccBits-1:0] acc_i,
  input  logic [Pix-1:0][AccBits-1:0]           total_i,
  input  logic                                  pool_capture_i,
  input  logic [Pix-1:0][Rows-1:0][XBits-1:0]   pool_i,
  input  logic [ParamBits-1:0]                  branch_params_i,
  input  logic [TableBits-1:0]                  branch_tables_i,
  input  logic [NeuronBits-1:0]                 branch_neurons_i,
  input  logic                                  done_i,
  output logic [ParamBits-1:0]                  param_o,
  output logic [NeuronBits-1:0]                 neuron_o,
  output program_pkg::drain_t                   drain_o,  // the sweep's constants
  output logic [IndexBits-1:0]                  index_o,
  output logic                                  valid_o,
  output logic [Lanes-1:0][AccBits-1:0]         sum_o,
  output logic [Lanes-1:0][XBits-1:0]           code_o,
  output logic [TableBits-1:0]                  table_o,
  output logic [CellBits-1:0]                   cell_o,
  output logic                                  fresh_o,
  // Where the chunk goes.
  output logic [FeatureBits-1:0]                addr_o,
  output logic [1:0]                            way_o,
  output logic [7:0]                            slot_o,
  output logic [7:0]                            chunk_o,
  output logic [12:0]                           y_o,
  output logic [12:0]                           x_o,
  output logic [11:0]                           time_o,
  output logic                                  last_o    // of the sweep
);
  localparam int unsigned Ways = Pix == 1 ? 1 : 2 * Pix;
  localparam int unsigned Log   = $clog2(Ways);
  localparam int unsigned Slots = Rows / Lanes;

  typedef enum logic [1:0] {Load, Wait, Settle} state_e;
  state_e                 state_q;
  program_pkg::drain_t    loaded, drain_q;
  logic [IndexBits-1:0]   index_q;
  logic [FeatureBits-1:0] row_q, plane_q, image_q;
  logic [12:0]            oy_q, ox_q, x;
  logic [7:0]             chunk_q, slot_q;
  logic [11:0]            time_q;
  logic [4:0]             step_q;
  logic                   busy_q, second_q, capture, active, issue, next;
  logic                   chunk_end, pixel_end, ox_end, out_end, sweep_end, pool, last;
  logic                   step_end, time_end;
  logic [1:0]             valid_q;

  logic [program_pkg::DRAIN_BITS-1:0] drains [Sweeps];
  if (Init != "") begin : gen_init
    initial $readmemh({Init, "drains.mem"}, drains);
  end
`ifndef SYNTHESIS
  initial begin
    if (engine_pkg::simulated("") != "") begin
      $readmemh(engine_pkg::simulated("drains.mem"), drains);
    end
  end
`endif
  assign loaded = drains[index_q];

  assign pool      = drain_q.kind == program_pkg::KIND_POOL;
  assign capture   = pool ? pool_capture_i : acc_capture_i;
  assign active    = (state_q == Wait) & (capture | busy_q);
  assign issue     = active & (step_q == '0);
  assign next      = active & (step_q + 5'd1 >= drain_q.steps);
  assign x         = {ox_q[12:1], ox_q[0] | second_q};
  assign chunk_end = chunk_q == drain_q.chunks;
  assign ox_end    = x == drain_q.out_w;
  assign pixel_end = next & chunk_end;
  assign step_end  = pixel_end & (~drain_q.paired | second_q | ox_end);
  assign time_end  = ~Timed | (time_q == drain_q.times);
  assign out_end   = step_end & time_end;
  assign last      = chunk_end & ox_end & (oy_q == drain_q.out_h) & time_end;
  assign sweep_end = next & last;
  assign param_o   = ParamBits'(drain_q.params) + ParamBits'(chunk_q)
                   + (drain_q.banked ? branch_params_i : '0);
  assign neuron_o  = NeuronBits'(drain_q.neurons) + NeuronBits'(chunk_q)
                   + (drain_q.banked ? branch_neurons_i : '0);
  assign drain_o   = drain_q;
  assign index_o   = index_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q  <= Load;
      index_q  <= '0;
      busy_q   <= 1'b0;
      second_q <= 1'b0;
      step_q   <= '0;
      chunk_q  <= '0;
      valid_q  <= '0;
    end else begin
      case (state_q)
        Load: state_q <= Wait;
        Wait: if (sweep_end) state_q <= Settle;
        default: if (done_i) begin
          state_q <= Load;
          index_q <= drain_q.after == program_pkg::AFTER_FINISH ? '0 : index_q + 1'b1;
        end
      endcase
      valid_q <= {valid_q[0], issue};
      busy_q <= active & ~(drain_q.hold ? out_end : step_end);
      if (active) step_q <= next ? '0 : step_q + 1'b1;
      if (next) chunk_q <= chunk_end ? '0 : chunk_q + 1'b1;
      if (pixel_end) second_q <= ~step_end;
    end
    if (state_q == Load) begin
      drain_q      <= loaded;
      row_q        <= FeatureBits'(loaded.base);
      slot_q       <= loaded.chunk;
      plane_q      <= '0;
      {oy_q, ox_q} <= '0;
      {time_q, image_q} <= '0;
    end else begin
      if (next) begin
        slot_q <= chunk_end ? drain_q.chunk : slot_q == 8'(Slots - 1) ? '0 : slot_q + 1'b1;
        if (chunk_end) plane_q <= '0;
        else if (slot_q == 8'(Slots - 1)) plane_q <= plane_q + FeatureBits'(drain_q.plane);
      end
      if (step_end) begin
        time_q  <= time_end ? '0 : time_q + 1'b1;
        image_q <= time_end ? '0 : image_q + FeatureBits'(drain_q.image);
      end
      if (out_end) begin
        ox_q <= ox_end ? '0 : x + 1'b1;
        if (ox_end) begin
          oy_q  <= oy_q + 1'b1;
          row_q <= row_q + FeatureBits'(drain_q.row);
        end
      end
    end
  end

  // The chunk: chosen in the first cycle, freed of the weights' offset in the second.
  logic [Cols/Lanes-1:0][Lanes-1:0][AccBits-1:0] sums;
  logic [Slots-1:0][Lanes-1:0][XBits-1:0]        codes;
  logic [Lanes-1:0][AccBits-1:0]                 sum_q;
  logic [Lanes-1:0][XBits-1:0]                   code_q;
  logic [AccBits-1:0]                            total_q;
  logic                                          pixel;
  localparam int unsigned CodeIndex = Slots > 1 ? $clog2(Slots) : 1;
  localparam int unsigned PlaceBits = TableBits + FeatureBits + 2 + 8 + 8 + 26 + 12
                                    + CellBits + 2;
  assign pixel = Pix == 1 ? 1'b0 : second_q;
  assign sums  = acc_i[pixel];
  assign codes = pool_i[pixel];
  always_ff @(posedge clk_i) begin
    if (issue) begin
      sum_q   <= sums[ChunkBits'(chunk_q)];
      code_q  <= codes[CodeIndex'(chunk_q)];
      total_q <= total_i[pixel] << (WBits - 1);
    end
    if (valid_q[0]) begin
      code_o <= code_q;
      for (int unsigned l = 0; l < Lanes; l++) sum_o[l] <= sum_q[l] - total_q;
    end
  end

  // Its place.
  logic [TableBits-1:0] table_word;
  assign table_word = TableBits'(drain_q.tables) + (TableBits'(chunk_q) << drain_q.steps)
                    + (drain_q.banked ? branch_tables_i : '0);
  logic [PlaceBits-1:0] place_q;
  always_ff @(posedge clk_i) begin
    if (issue) begin
      place_q <= {table_word, row_q + plane_q + (Timed ? image_q : '0) + FeatureBits'(x >> Log),
                  2'(x % 13'(Ways)), slot_q, chunk_q, oy_q, x, Timed ? time_q : 12'd0,
                  CellBits'({second_q, ChunkBits'(chunk_q)}), ~Timed | (time_q == '0), last};
    end
    if (valid_q[0]) begin
      {table_o, addr_o, way_o, slot_o, chunk_o, y_o, x_o, time_o, cell_o, fresh_o, last_o}
        <= place_q;
    end
  end
  assign valid_o = valid_q[1];

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni & (acc_capture_i | pool_capture_i)) begin
      ready: assert (capture && state_q == Wait && !busy_q)
        else $error("drain: an output came before its turn; it is lost");
    end
  end
`endif
endmodule
