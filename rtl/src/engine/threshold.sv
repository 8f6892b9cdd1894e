// Counts the thresholds that each accumulator has reached, by binary search:
//   count_o[l] = number of T in lane l's table at base_i with T <= acc_i[l]
//
// A table is 2**steps_i words, aligned: its sorted thresholds, filled up to 2**steps_i - 1 with
// "never" (greater than every accumulator), and an unused word. count_o <= 2**steps_i - 1.
// acc_i and words signed TBits bits; crossloom.rtl.compiler.thresholds writes tables.
// Each lane has a memory of Depth words of its own; lane l's first content is {Init}l.mem, none if
// Init is "". Words are written by wr_* while no search runs.
// Latency: steps_i + 1 cycles. Throughput: a search in steps_i cycles; ready_o when one may start.
// Model: crossloom.sim.ops.Threshold. Testbench: tests/rtl/testbench_engine_arithmetic.py.
module threshold #(
  parameter  int unsigned Lanes    = 8,
  parameter  int unsigned TBits    = 20,
  parameter  int unsigned Depth    = 256,
  parameter  int unsigned Steps    = 4,    // most steps of a search
  parameter               Init     = "",
  localparam int unsigned AddrBits = $clog2(Depth),
  localparam int unsigned StepBits = $clog2(Steps + 1),
  localparam int unsigned LaneBits = Lanes > 1 ? $clog2(Lanes) : 1
) (
  input  logic                        clk_i,
  input  logic                        rst_ni,
  input  logic                        wr_valid_i,
  input  logic [LaneBits-1:0]         wr_lane_i,
  input  logic [AddrBits-1:0]         wr_addr_i,
  input  logic [TBits-1:0]            wr_data_i,
  input  logic                        valid_i,
  output logic                        ready_o,
  input  logic [Lanes-1:0][TBits-1:0] acc_i,
  input  logic [AddrBits-1:0]         base_i,
  input  logic [StepBits-1:0]         steps_i,  // 1 .. Steps
  output logic                        valid_o,
  output logic [Lanes-1:0][Steps-1:0] count_o
);
  if (Lanes < 1 || TBits < 1 || Steps < 1 || Depth < 2 ** Steps) begin : gen_size
    $error("threshold: Lanes %0d, TBits %0d, Steps %0d, Depth %0d; 1, 1, 1 and a table are needed",
      Lanes, TBits, Steps, Depth);
  end

  // bit_q is the bit of the count that is decided in this cycle, one-hot; 0 while nothing runs.
  logic [Steps-1:0]    first, bit_q, below;
  logic [AddrBits-1:0] base_q;
  logic                start, last;

  always_comb begin
    for (int unsigned s = 0; s < Steps; s++) first[s] = steps_i == StepBits'(s + 1);
  end
  assign last    = bit_q[0];
  assign ready_o = (bit_q == '0) | last;
  assign start   = valid_i & ready_o;
  assign below   = start ? first : Steps'({1'b0, bit_q} >> 1);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      bit_q   <= '0;
      valid_o <= 1'b0;
    end else begin
      bit_q   <= below;
      valid_o <= last;
    end
    if (start) base_q <= base_i;
  end

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic [TBits-1:0]    mem [Depth];
    logic [TBits-1:0]    word_q, acc_q;
    logic [Steps-1:0]    count_q, count, probe;
    logic [AddrBits-1:0] addr;

    if (Init != "") begin : gen_init
      initial $readmemh($sformatf("%s%0d.mem", Init, l), mem);
    end
`ifndef SYNTHESIS
    initial begin
      if (engine_pkg::simulated("") != "") begin
        $readmemh(engine_pkg::simulated($sformatf("tables%0d.mem", l)), mem);
      end
    end
`endif

    // The next word to look at: count + below - 1, without carries.
    assign count      = count_q | ($signed(word_q) <= $signed(acc_q) ? bit_q : '0);
    assign probe      = (start ? '0 : count) | (below - 1'b1);
    assign addr       = (start ? base_i : base_q) | AddrBits'(probe);

    // Plain always: always_ff would be the only writer, without `initial` (IEEE 1800, 9.2.2.4).
    always @(posedge clk_i) begin
      // In reset, what writes may not know yet what it does.
      if (rst_ni && wr_valid_i && wr_lane_i == LaneBits'(l)) mem[wr_addr_i] <= wr_data_i;
    end
    always_ff @(posedge clk_i) begin
      word_q     <= mem[addr];
      if (start) acc_q <= acc_i[l];
      count_q    <= start ? '0 : count;
      count_o[l] <= count;
    end
  end
endmodule
