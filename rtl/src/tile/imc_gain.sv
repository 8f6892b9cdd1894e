// The column's digital gain: multiply, round, saturate.
//
//   y_o    = clip((acc_i * gain_i + 2**14) >> 15, -2**15, 2**15 - 1)   >> floors
//   clip_o = the value was outside 16 bits
// acc_i signed AccBits bits, gain_i unsigned Q1.15 (32768 is 1), y_o signed 16 bits.
// Latency: 4 cycles in which en_i is high (one DSP48E1, then the clip). Throughput: one result an
// enabled cycle.
// The widths are the least that hold every value: wider ones lose the sign in Yosys 0.70's DSP
// packing.
// Model: crossloom.sim.crossbar.twin. Testbench: tests/rtl/test_benches.py; netlist:
// tests/rtl/test_synth.py.
module imc_gain #(
  parameter int unsigned AccBits = 19
) (
  input  logic                      clk_i,
  input  logic                      en_i,
  input  logic signed [AccBits-1:0] acc_i,
  input  logic [15:0]               gain_i,
  output logic signed [15:0]        y_o,
  output logic                      clip_o
);
  localparam int unsigned SumBits = AccBits + 16;

  if (AccBits < 2 || AccBits > 25) begin : gen_bits
    $error("imc_gain: AccBits is %0d; 2 to 25, what a DSP48E1 takes, is needed", AccBits);
  end

  logic signed [AccBits-1:0]    acc_q;
  logic [15:0]                  gain_q;
  logic signed [SumBits-1:0]    product_q, sum_q;
  logic signed [SumBits-15-1:0] value;
  logic                         low, high;

  assign value = (SumBits-15)'(sum_q >>> 15);
  assign high  = value > (SumBits-15)'(17'sd32767);
  assign low   = value < (SumBits-15)'(-17'sd32768);

  always_ff @(posedge clk_i) begin
    if (en_i) begin
      acc_q     <= acc_i;
      gain_q    <= gain_i;
      product_q <= SumBits'(acc_q) * SumBits'($signed({1'b0, gain_q}));
      sum_q     <= product_q + SumBits'(17'sd16384);
      y_o       <= high ? 16'sd32767 : low ? -16'sd32768 : value[15:0];
      clip_o    <= low | high;
    end
  end
endmodule
