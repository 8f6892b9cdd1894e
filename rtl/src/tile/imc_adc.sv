// The column's analog-to-digital converter: step, offset and clip.
//
//   code_o = clip((t_i * scale_i + offset_i) >> 16, 0, top_i)     >> is a floor
//   clip_o = the value was outside 0..top_i
// t_i, scale_i unsigned 16 bits, offset_i signed 32 bits, top_i and code_o unsigned 8 bits. The
// settings are constant.
// Latency: 4 cycles (one DSP48E1 with all its registers, then the clip). Throughput: one code a
// cycle.
// The widths are the least that hold every value: wider ones lose the sign in Yosys 0.70's DSP
// packing.
// Model: crossloom.sim.crossbar.twin. Testbench: tests/rtl/test_benches.py; netlist:
// tests/rtl/test_synth.py.
module imc_adc (
  input  logic               clk_i,
  input  logic [15:0]        t_i,
  input  logic [15:0]        scale_i,
  input  logic signed [31:0] offset_i,
  input  logic [7:0]         top_i,
  output logic [7:0]         code_o,
  output logic               clip_o
);
  logic [15:0]        t_q;
  logic signed [32:0] product_q;
  logic signed [33:0] sum_q;
  logic signed [17:0] level;
  logic               low, high;

  assign level = 18'(sum_q >>> 16);
  assign low   = level < 18'sd0;
  assign high  = level > $signed({10'd0, top_i});

  always_ff @(posedge clk_i) begin
    t_q       <= t_i;
    product_q <= 33'($signed({1'b0, t_q})) * 33'($signed({1'b0, scale_i}));
    sum_q     <= 34'(product_q) + 34'(offset_i);
    code_o    <= low ? 8'd0 : high ? top_i : level[7:0];
    clip_o    <= low | high;
  end
endmodule
