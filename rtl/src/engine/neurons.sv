// Accumulators on their way to the quantizers, where they pass the membranes of neurons if lif_i.
//
//   acc_o[l] = sum_i[l] + bias_i[l]; v_o[l] is the membrane, n_o[l] its spikes: see neuron_lane
// Lanes neurons a cycle; cell_i says which ones, fresh_i that it is their first step. The settings
// are those of drain_i, whose `limit` is the membrane's bits, MemMin .. MemBits. clipped_o counts
// the membranes that saturate.
// Latency: acc_o 1 cycle, v_o and clipped_o 2, n_o 3. Throughput: Lanes neurons a cycle, the same
// ones again after 2 cycles.
// Model: crossloom.sim.ops.LIF. Testbench: tests/rtl/testbench_neurons.py.
module neurons #(
  parameter  int unsigned Lanes    = 4,
  parameter  int unsigned AccBits  = 16,
  parameter  int unsigned MemBits  = 16,
  parameter  int unsigned MemMin   = 16,
  parameter  int unsigned GuardMin = 0,
  parameter  int unsigned GuardMax = 0,
  parameter  int unsigned LeakMin  = 0,
  parameter  int unsigned LeakMax  = 0,
  parameter  int unsigned Most     = 1,
  parameter  bit          Later    = 1'b0,
  parameter  int unsigned Cells    = 4,
  localparam int unsigned CellBits = Cells > 1 ? $clog2(Cells) : 1,
  localparam int unsigned VBits    = MemBits > AccBits ? MemBits : AccBits,
  localparam int unsigned Wide     = AccBits + GuardMax > MemBits ? AccBits + GuardMax : MemBits,
  localparam int unsigned SpikeBits = $clog2(Most + 1),
  localparam int unsigned ClipBits = $clog2(Lanes + 1)
) (
  input  logic                            clk_i,
  input  logic                            rst_ni,
  input  program_pkg::drain_t             drain_i,
  input  logic                            valid_i,
  input  logic [Lanes-1:0][AccBits-1:0]   sum_i,
  input  logic [Lanes-1:0][AccBits-1:0]   bias_i,
  input  logic [Lanes-1:0][MemBits-1:0]   theta_i,
  input  logic [Lanes-1:0][3:0]           leak_i,
  input  logic [CellBits-1:0]             cell_i,
  input  logic                            fresh_i,
  output logic                            valid_o,   // with v_o
  output logic [Lanes-1:0][AccBits-1:0]   acc_o,
  output logic [Lanes-1:0][VBits-1:0]     v_o,
  output logic [Lanes-1:0][SpikeBits-1:0] n_o,
  output logic [ClipBits-1:0]             clipped_o
);
  if (MemMin < 2 || MemMin > MemBits || GuardMin > GuardMax || LeakMin > LeakMax)
  begin : gen_size
    $error("neurons: MemMin %0d, MemBits %0d, guards %0d to %0d, leaks %0d to %0d; 2 to %s",
      MemMin, MemBits, GuardMin, GuardMax, LeakMin, LeakMax, "MemBits and rising ones are needed");
  end

  logic [1:0]       valid_q;
  logic [Wide:0]    mask;
  logic [Lanes-1:0] clip;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= '0;
    else valid_q <= {valid_q[0], valid_i};
  end
  assign valid_o = valid_q[1];
  always_comb begin
    for (int unsigned b = 0; b <= Wide; b++) begin
      mask[b] = b + 1 >= MemBits || (b + 1 >= MemMin && b + 1 >= 32'(drain_i.limit));
    end
    clipped_o = '0;
    for (int unsigned l = 0; l < Lanes; l++) clipped_o = clipped_o + ClipBits'(clip[l] & valid_o);
  end

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    neuron_lane #(
      .AccBits(AccBits), .MemBits(MemBits), .GuardMin(GuardMin), .GuardMax(GuardMax),
      .LeakMin(LeakMin), .LeakMax(LeakMax), .Most(Most), .Later(Later), .Cells(Cells)
    ) u_lane (
      .clk_i, .en_i({valid_q, valid_i}), .sum_i(sum_i[l]), .bias_i(bias_i[l]),
      .theta_i(theta_i[l]), .leak_i(leak_i[l]), .cell_i, .fresh_i, .lif_i(drain_i.lif),
      .guard_i(drain_i.guard), .mask_i(mask), .reset_i(drain_i.reset), .later_i(drain_i.later),
      .strict_i(drain_i.strict), .most_i(SpikeBits'(drain_i.most)), .acc_o(acc_o[l]),
      .v_o(v_o[l]), .clip_o(clip[l]), .n_o(n_o[l])
    );
  end
endmodule
