// The frame's constants, and each branch's places in the memories.
//
//   config_o = the network's, bank_o = those of branch_i; we_i writes the rows that a branch uses
// First content: {Init}config.mem and {Init}banks.mem, none if Init is "".
// Latency: none. Model: crossloom.rtl.compiler.words. Testbench:
// tests/rtl/testbench_engine_control.py.
module constants #(
  parameter  int unsigned Branches   = 1,
  parameter               Init       = "",
  localparam int unsigned BranchBits = Branches > 1 ? $clog2(Branches) : 1
) (
  input  logic                  clk_i,
  input  logic [BranchBits-1:0] branch_i,
  input  logic                  we_i,
  input  logic [BranchBits-1:0] we_branch_i,
  input  logic [16:0]           we_rows_i,
  output program_pkg::config_t  config_o,
  output program_pkg::bank_t    bank_o
);
  logic [program_pkg::CONFIG_BITS-1:0] configs [1];
  logic [program_pkg::BANK_BITS-1:0]   banks [Branches];
  if (Init != "") begin : gen_init
    initial $readmemh({Init, "config.mem"}, configs);
    initial $readmemh({Init, "banks.mem"}, banks);
  end
`ifndef SYNTHESIS
  initial begin
    if (engine_pkg::simulated("") != "") begin
      $readmemh(engine_pkg::simulated("config.mem"), configs);
      $readmemh(engine_pkg::simulated("banks.mem"), banks);
    end
  end
`endif
  assign config_o = configs[0];
  assign bank_o   = banks[branch_i];
  // Plain always: always_ff would be the only writer, without `initial` (IEEE 1800, 9.2.2.4).
  always @(posedge clk_i) if (we_i) banks[we_branch_i][16:0] <= we_rows_i;
endmodule
