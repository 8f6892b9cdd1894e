// Accumulators to codes, Lanes at once:
//   raw_o[l] = acc_i[l] + bias_i[l]
//   y_o[l]   = clip(round_shift(raw_o[l], shift_i[l]), lo, hi) - lo     lo = lo_i, hi = lo + span_i
// round_shift(v, s) is v * 2**-s, rounded as rounding_i says (engine_pkg::rounding_e); s <= 0 is an
// exact left shift.
//
// acc_i, bias_i, raw_o signed AccBits bits, their sum modulo 2**AccBits; shift_i signed 7 bits,
// ShiftMin .. ShiftMax (any other gives a wrong code); lo_i signed CodeBits bits, which hold every
// lo and hi; span_i, y_o unsigned OutBits bits. clipped_o counts the lanes whose code lo or hi
// replaced.
// Latency: Latency cycles, raw_o as well. Throughput: Lanes codes a cycle.
// Model: crossloom.sim.ops.Requant. Testbench: tests/rtl/testbench_engine_arithmetic.py.
module requant #(
  parameter  int unsigned Lanes     = 8,
  parameter  int unsigned AccBits   = 20,
  parameter  int unsigned OutBits   = 4,
  parameter  int unsigned CodeBits  = OutBits + 1,
  parameter  int          ShiftMin  = 0,
  parameter  int          ShiftMax  = 12,
  localparam int unsigned Latency   = 4,
  localparam int unsigned ClipBits  = $clog2(Lanes + 1)
) (
  input  logic                          clk_i,
  input  logic                          rst_ni,
  input  logic                          valid_i,
  input  logic [Lanes-1:0][AccBits-1:0] acc_i,
  input  logic [Lanes-1:0][AccBits-1:0] bias_i,
  input  logic [Lanes-1:0][6:0]         shift_i,
  // Settings, constant while codes pass.
  input  logic [1:0]                    rounding_i,
  input  logic signed [CodeBits-1:0]    lo_i,
  input  logic [OutBits-1:0]            span_i,
  output logic                          valid_o,
  output logic [Lanes-1:0][OutBits-1:0] y_o,
  output logic [Lanes-1:0][AccBits-1:0] raw_o,
  output logic [ClipBits-1:0]           clipped_o
);
  logic [Latency-1:0] valid_q;
  logic [Lanes-1:0]   clip;
  logic signed [CodeBits:0] minus_lo;

  if (Lanes < 1 || AccBits < 2 || OutBits < 1) begin : gen_size
    $error("requant: Lanes %0d, AccBits %0d, OutBits %0d; at least 1, 2 and 1 are needed",
      Lanes, AccBits, OutBits);
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= '0;
    else valid_q <= {valid_q[Latency-2:0], valid_i};
  end
  assign valid_o = valid_q[Latency-1];

  assign minus_lo = -(CodeBits+1)'(lo_i);
  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    requant_lane #(
      .AccBits(AccBits), .OutBits(OutBits), .CodeBits(CodeBits), .ShiftMin(ShiftMin),
      .ShiftMax(ShiftMax)
    ) u_lane (
      .clk_i, .en_i({valid_q[Latency-2:0], valid_i}), .acc_i(acc_i[l]), .bias_i(bias_i[l]),
      .shift_i(shift_i[l]), .rounding_i, .minus_lo_i(minus_lo), .span_i, .y_o(y_o[l]),
      .raw_o(raw_o[l]), .clip_o(clip[l])
    );
  end

  always_comb begin
    clipped_o = '0;
    for (int unsigned l = 0; l < Lanes; l++) clipped_o = clipped_o + ClipBits'(clip[l] & valid_o);
  end
endmodule
