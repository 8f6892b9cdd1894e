// The order of a product's steps: planes from the top bit down, segments within a plane, column
// groups within a segment.
//
// A product takes bits * segments * Groups consecutive cycles and starts when planes are loaded
// (avail_i) and a buffer
// for its results is free (credit_i); the next one may follow without a gap. It never stalls in
// between.
//   plane_o   the bit of the inputs, bits - 1 first
//   negate_o  the plane counts negative (top bit, two's complement)
//   first_o   clears the sum;  shift_o  doubles it;  last_o  the sum is complete
//   release_o the planes are done with
// Latency: none, outputs belong to the step of this cycle. Testbench: tests/rtl/test_benches.py.
module imc_seq #(
  parameter  int unsigned Segments  = 4,
  parameter  int unsigned Groups    = 4,
  localparam int unsigned SegBits   = Segments > 1 ? $clog2(Segments) : 1,
  localparam int unsigned GroupBits = $clog2(Groups)
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic [2:0]           bits_m1_i,      // input bits - 1
  input  logic                 signed_i,       // two's complement inputs
  input  logic [SegBits-1:0]   segments_m1_i,  // segments - 1
  input  logic                 avail_i,
  input  logic                 credit_i,
  output logic                 valid_o,
  output logic [2:0]           plane_o,
  output logic [SegBits-1:0]   segment_o,
  output logic [GroupBits-1:0] group_o,
  output logic                 first_o,
  output logic                 shift_o,
  output logic                 negate_o,
  output logic                 last_o,
  output logic                 start_o,
  output logic                 release_o
);
  logic                 busy_q;
  logic [2:0]           done_q;  // planes done
  logic [SegBits-1:0]   segment_q;
  logic [GroupBits-1:0] group_q;
  logic                 group_end, segment_end, plane_end;

  assign valid_o     = busy_q | (avail_i & credit_i);
  assign start_o     = valid_o & ~busy_q;
  assign group_end   = group_q == GroupBits'(Groups - 1);
  assign segment_end = segment_q == segments_m1_i;
  assign plane_end   = done_q == bits_m1_i;
  assign plane_o     = bits_m1_i - done_q;
  assign segment_o   = segment_q;
  assign group_o     = group_q;
  assign first_o     = (done_q == 3'd0) & (segment_q == '0);
  assign shift_o     = segment_q == '0;
  assign negate_o    = signed_i & (done_q == 3'd0);
  assign last_o      = valid_o & plane_end & segment_end;
  assign release_o   = last_o & group_end;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q    <= 1'b0;
      done_q    <= '0;
      segment_q <= '0;
      group_q   <= '0;
    end else if (valid_o) begin
      busy_q  <= ~release_o;
      group_q <= group_end ? '0 : group_q + 1'b1;
      if (group_end) begin
        segment_q <= segment_end ? '0 : segment_q + 1'b1;
        if (segment_end) done_q <= plane_end ? '0 : done_q + 1'b1;
      end
    end
  end

`ifndef SYNTHESIS
  steady: assert property (@(posedge clk_i) disable iff (!rst_ni)
    valid_o && !release_o |=> valid_o)
    else $error("imc_seq: a product paused; the accumulators, which turn every cycle, mix columns");
`endif
endmodule
