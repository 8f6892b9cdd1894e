// Walks through the program and says in every cycle what the array reads.
//
//   for each sweep, oy, ox (by Pix where paired), segment, dy, dx, block: one tap
//   row of features   base_o + row_o + plane_o, pixel (y_o, x_o), lane p at x_o + p * step_x
//   weights           from the sweep's first word on, one a tap, again for each step
// first_o and last_o frame a time step of an output, which ends with a segment that says `stop`.
// Sweep, segment and tap: see crossloom.rtl.compiler.words.
// A step's last tap waits until the drain can take it: `cool` cycles after the one before.
// Latency: a sweep's first tap 3 cycles after the last one of the sweep before, if nothing is
// waited for. Throughput: a tap a cycle.
// Model: crossloom.rtl.estimate.cycles. Testbench: tests/rtl/testbench_engine_program.py.
module sequencer #(
  parameter  int unsigned FeatureBits = 10,
  parameter  int unsigned WeightBits  = 9,
  parameter  int unsigned Sweeps      = 32,
  parameter  int unsigned Segments    = 32,
  parameter               Init        = "",
  localparam int unsigned IndexBits   = Sweeps > 1 ? $clog2(Sweeps) : 1,
  localparam int unsigned SegBits     = Segments > 1 ? $clog2(Segments) : 1
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     image_valid_i,    // an image waits
  input  logic [FeatureBits-1:0]   image_base_i,     // and lies here
  output logic                     image_start_o,    // it is being read from now on
  input  logic                     branch_valid_i,
  input  logic [WeightBits-1:0]    branch_weights_i,
  input  logic                     result_free_i,
  input  logic                     sweep_done_i,     // a sweep is written
  output logic                     idle_o,
  output logic                     valid_o,
  output logic                     first_o,
  output logic                     last_o,
  output logic                     shift_o,          // no tap: the sums double
  output logic [IndexBits-1:0]     index_o,
  output logic [FeatureBits-1:0]   base_o,
  output logic [FeatureBits-1:0]   row_o,
  output logic [FeatureBits-1:0]   plane_o,
  output logic signed [13:0]       y_o,
  output logic signed [13:0]       x_o,
  output logic [WeightBits-1:0]    weight_o,
  output program_pkg::sweep_t      sweep_o           // the sweep's constants
);
  typedef enum logic [1:0] {Idle, Fetch, Ready, Run} state_e;
  state_e                  state_q;
  logic [IndexBits-1:0]    index_q;
  logic [3:0]              flight_q;  // sweeps that are not written yet
  program_pkg::sweep_t     sweep_q;

  logic [program_pkg::SWEEP_BITS-1:0] sweeps [Sweeps];
  logic [program_pkg::SEGMENT_BITS-1:0] segments [Segments];
  if (Init != "") begin : gen_init
    initial $readmemh({Init, "sweeps.mem"}, sweeps);
    initial $readmemh({Init, "segments.mem"}, segments);
  end
`ifndef SYNTHESIS
  initial begin
    if (engine_pkg::simulated("") != "") begin
      $readmemh(engine_pkg::simulated("sweeps.mem"), sweeps);
      $readmemh(engine_pkg::simulated("segments.mem"), segments);
    end
  end
`endif

  // A tap's place in its loops, and the ends of these.
  program_pkg::segment_t  segment, segment_q;
  logic [SegBits-1:0]     segment_index_q, segment_next;
  logic [FeatureBits-1:0] image_base_q, base_q, plane_q, row_q, row_start_q, row_start;
  logic [WeightBits-1:0]  weight_q, weight_first_q;
  logic signed [13:0]     y_q, x_q, y_start_q, x_start_q, y_start, x_start;
  logic [12:0]            dy_q, dx_q, oy_q, ox_q;
  logic [11:0]            block_q;
  logic [16:0]            cool_q;
  logic                   block_end, dx_end, dy_end, segment_end, tap_end, window_end, out_end;
  logic                   step_end;
  logic                   ox_end, row_end, sweep_end, go, start, first_q;

  assign block_end   = block_q == segment_q.blocks;
  assign dx_end      = dx_q == sweep_q.kernel_w;
  assign dy_end      = dy_q == sweep_q.kernel_h;
  assign segment_end = segment_index_q == SegBits'(sweep_q.last_segment);
  assign ox_end      = {ox_q[12:1], ox_q[0] | sweep_q.paired} >= sweep_q.out_w;
  assign tap_end     = block_end & dx_end;
  assign window_end  = tap_end & dy_end;
  assign step_end    = window_end & segment_q.stop;
  assign out_end     = window_end & segment_end;
  assign row_end     = out_end & ox_end;
  assign sweep_end   = row_end & (oy_q == sweep_q.out_h);
  assign go          = (state_q == Run) & ~(step_end & (cool_q != '0));
  assign start       = (state_q == Ready) & (~sweep_q.banked | branch_valid_i)
                     & (~(sweep_q.sync | sweep_q.result) | (flight_q == '0))
                     & (~sweep_q.result | result_free_i);

  // Where the next output starts.
  assign y_start      = row_end ? y_start_q + 14'(sweep_q.step_y) : y_start_q;
  assign row_start    = row_end ? row_start_q + FeatureBits'(sweep_q.row_step) : row_start_q;
  assign x_start      = row_end ? 14'($signed(sweep_q.x0))
                      : out_end ? x_start_q + 14'(sweep_q.jump_x) : x_start_q;
  assign segment_next = start | segment_end ? SegBits'(sweep_q.first_segment)
                      : segment_index_q + 1'b1;
  assign segment      = segments[segment_next];

  assign image_start_o = (state_q == Idle) & image_valid_i;
  assign idle_o        = (state_q == Idle) & (flight_q == '0);
  assign valid_o       = go;
  assign first_o       = first_q;
  assign last_o        = step_end;
  assign shift_o       = segment_q.shift;
  assign index_o       = index_q;
  assign base_o        = base_q;
  assign row_o         = row_q;
  assign plane_o       = plane_q;
  assign y_o           = y_q;
  assign x_o           = x_q;
  assign weight_o      = weight_q;
  assign sweep_o       = sweep_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q  <= Idle;
      index_q  <= '0;
      flight_q <= '0;
      cool_q   <= '0;
    end else begin
      flight_q <= flight_q + 4'(start) - 4'(sweep_done_i);
      if (go & step_end) cool_q <= 17'(sweep_q.cool) + (sweep_end ? 17'(sweep_q.gap) : '0) - 1'b1;
      else if (cool_q != '0) cool_q <= cool_q - 1'b1;
      case (state_q)
        Idle:  if (image_valid_i) state_q <= Fetch;
        Fetch: state_q <= Ready;
        Ready: if (start) state_q <= Run;
        default: if (go & sweep_end) begin
          state_q <= sweep_q.last ? Idle : Fetch;
          index_q <= sweep_q.last ? '0 : index_q + 1'b1;
        end
      endcase
    end
    if (image_start_o) image_base_q <= image_base_i;
    if (state_q == Fetch) sweep_q <= sweeps[index_q];
    if (start) begin
      {block_q, dx_q, dy_q, ox_q, oy_q, plane_q} <= '0;
      first_q        <= 1'b1;
      row_q          <= FeatureBits'(sweep_q.row0);
      row_start_q    <= FeatureBits'(sweep_q.row0);
      y_q            <= 14'($signed(sweep_q.y0));
      y_start_q      <= 14'($signed(sweep_q.y0));
      x_q            <= 14'($signed(sweep_q.x0));
      x_start_q      <= 14'($signed(sweep_q.x0));
      weight_q       <= WeightBits'(sweep_q.weights) + (sweep_q.banked ? branch_weights_i : '0);
      weight_first_q <= WeightBits'(sweep_q.weights) + (sweep_q.banked ? branch_weights_i : '0);
    end else if (go) begin
      first_q <= step_end;
      block_q <= block_end ? '0 : block_q + 1'b1;
      plane_q <= block_end ? '0 : plane_q + FeatureBits'(sweep_q.plane);
      if (block_end) begin
        dx_q <= dx_end ? '0 : dx_q + 1'b1;
        x_q  <= dx_end ? x_start : x_q + 1'b1;
      end
      if (tap_end) begin
        dy_q  <= dy_end ? '0 : dy_q + 1'b1;
        y_q   <= dy_end ? y_start : y_q + 1'b1;
        row_q <= dy_end ? row_start : row_q + FeatureBits'(sweep_q.row);
      end
      if (out_end) begin
        {y_start_q, x_start_q, row_start_q} <= {y_start, x_start, row_start};
        ox_q <= ox_end ? '0 : ox_q + (sweep_q.paired ? 13'd2 : 13'd1);
        if (ox_end) oy_q <= oy_q + 1'b1;
      end
      if (step_end | (sweep_q.hold & block_end)) weight_q <= weight_first_q;
      else if (~segment_q.shift) weight_q <= weight_q + 1'b1;
    end
    if (start | (go & window_end)) begin
      segment_q       <= segment;
      segment_index_q <= segment_next;
      base_q          <= FeatureBits'(segment.base) + (segment.image ? image_base_q : '0);
    end
  end

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni & start) begin
      flight: assert (flight_q != 4'hf)
        else $error("sequencer: too many sweeps under way; one will be forgotten");
    end
  end
`endif
endmodule
