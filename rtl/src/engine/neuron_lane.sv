// One lane of neurons: integrate, saturate, spike, reset, leak; a membrane for each output place.
//
//   acc_o = sum_i + bias_i
//   v_o   = sat(s + (acc_o << guard)), 0 if lost; s and lost are what the step before left
//   n_o   = whole theta that fit v_o, at most most_i; of one, v_o > theta instead if strict_i
//   s'    = w - leak(w), w = v_o - n_o * theta, 0 if n_o or v_o; leak(w) = (w + 2**(k-1)) >> k
//   later_i: s' = v_o - leak(v_o) - n_o * theta, or lost' = n_o > 0 where it resets to 0
// sum_i, bias_i, acc_o signed AccBits bits; v_o signed VBits bits, a membrane MemBits bits, theta_i
// unsigned MemBits, mask_i the bits of a membrane that are its sign. Without lif_i v_o = acc_o.
// Latency: acc_o 1 cycle, v_o 2, n_o 3; s' is there 2 cycles after s. Throughput: one a cycle.
// Model: crossloom.sim.ops.LIF. Testbench: tests/rtl/testbench_neurons.py (through neurons).
module neuron_lane #(
  parameter  int unsigned AccBits  = 16,
  parameter  int unsigned MemBits  = 16,
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
  localparam int unsigned SpikeBits = $clog2(Most + 1)
) (
  input  logic                 clk_i,
  input  logic [2:0]           en_i,      // each cycle's registers
  input  logic [AccBits-1:0]   sum_i,
  input  logic [AccBits-1:0]   bias_i,
  input  logic [MemBits-1:0]   theta_i,
  input  logic [3:0]           leak_i,
  input  logic [CellBits-1:0]  cell_i,
  input  logic                 fresh_i,   // the first step
  // Settings, constant while chunks pass.
  input  logic                 lif_i,
  input  logic [4:0]           guard_i,
  input  logic [Wide:0]        mask_i,
  input  logic [1:0]           reset_i,
  input  logic                 later_i,
  input  logic                 strict_i,
  input  logic [SpikeBits-1:0] most_i,
  output logic [AccBits-1:0]   acc_o,
  output logic [VBits-1:0]     v_o,
  output logic                 clip_o,    // with v_o: it saturates
  output logic [SpikeBits-1:0] n_o
);
  // Cycle 1: the sum; what the step before left.
  (* ram_style = "distributed" *) logic [MemBits:0] mem [Cells];
  logic signed [AccBits-1:0] acc_q;
  logic signed [MemBits-1:0] s_q, theta_q, theta_late_q;
  logic                      lost_q;
  logic [3:0]                leak_q, leak_late_q;
  logic [CellBits-1:0]       cell_q, cell_late_q;
  logic [MemBits:0]          left;
  logic                      now;  // it is left in this very cycle
  assign now = en_i[2] & (cell_late_q == cell_i);
  always_ff @(posedge clk_i) begin
    if (en_i[0]) begin
      acc_q         <= sum_i + bias_i;
      {lost_q, s_q} <= fresh_i ? '0 : now ? left : mem[cell_i];
      {theta_q, leak_q, cell_q} <= {theta_i, leak_i, cell_i};
    end
  end
  assign acc_o = acc_q;

  // Cycle 2: the membrane.
  logic signed [Wide:0] grown, full;
  always_comb begin
    grown = '0;
    for (int unsigned g = GuardMin; g <= GuardMax; g++) begin
      if (GuardMin == GuardMax || guard_i == 5'(g)) grown = (Wide+1)'(acc_q) <<< g;
    end
    full = (Wide+1)'(s_q) + grown;
    if (Later && lost_q) full = '0;
  end
  logic signed [VBits-1:0] v_q;
  always_ff @(posedge clk_i) begin
    if (en_i[1]) begin
      automatic logic over = |((full ^ {(Wide+1){full[Wide]}}) & mask_i);
      if (!lif_i) v_q <= VBits'(acc_q);
      else if (over) v_q <= VBits'($signed(mask_i ^ {(Wide+1){~full[Wide]}}));
      else v_q <= VBits'(full);
      clip_o <= lif_i & over;
      {theta_late_q, leak_late_q, cell_late_q} <= {theta_q, leak_q, cell_q};
    end
  end
  assign v_o = v_q;

  // Cycle 3: its spikes, its reset and what leaks until the next step.
  logic signed [MemBits-1:0] v, rest, kept, leaked, next;
  logic [SpikeBits-1:0]      n;
  logic                      half;
  always_comb begin
    v    = MemBits'(v_q);
    rest = v;
    n    = '0;
    for (int unsigned i = 0; i < Most; i++) begin
      automatic logic signed [MemBits:0] over = (MemBits+1)'(rest) - (MemBits+1)'(theta_late_q);
      if (SpikeBits'(i) < most_i && !over[MemBits] && !(strict_i && over == '0)) begin
        rest = MemBits'(over);
        n    = n + 1'b1;
      end
    end
    case (reset_i)
      program_pkg::RESET_SUBTRACT: kept = Later && later_i ? v : rest;
      program_pkg::RESET_ZERO:     kept = n != '0 ? '0 : v;
      default:                     kept = v;
    endcase
    {leaked, half} = '0;
    for (int unsigned k = LeakMin > 0 ? LeakMin : 1; k <= LeakMax; k++) begin
      if (LeakMin == LeakMax || leak_late_q == 4'(k)) begin
        leaked = kept >>> k;
        half   = kept[k > MemBits ? MemBits - 1 : k - 1];
      end
    end
    next = kept + ~leaked + MemBits'(!half);
    if (Later && later_i && reset_i == program_pkg::RESET_SUBTRACT) next = next - (v - rest);
  end
  assign left = {Later & later_i & (reset_i == program_pkg::RESET_ZERO) & (n != '0), next};
  always_ff @(posedge clk_i) begin
    if (en_i[2]) begin
      n_o <= n;
      mem[cell_late_q] <= left;
    end
  end
endmodule
