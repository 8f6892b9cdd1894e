// What a core is and holds: the hashes STRUCTURE, FIXED and WEIGHTS, 8 words each.
//
//   data_o = word addr_i of the three in a row; WEIGHTS' word we_addr_i = we_data_i if we_i
// Like the banks that it names, WEIGHTS is set with the device and outlives a reset. After
// changed_i it reads 0 until its last word is written: half a bank has no name.
// First content: {Init}identity.mem, none if Init is "". Words are bits. Latency: a write 1 cycle,
// a read none. Model: crossloom.rtl.core.driver. Testbench: that of core_regs.
module identity #(
  parameter Init = ""
) (
  input  logic        clk_i,
  input  logic        we_i,
  input  logic [2:0]  we_addr_i,
  input  logic [31:0] we_data_i,
  input  logic        changed_i,
  input  logic [4:0]  addr_i,
  output logic [31:0] data_o
);
  localparam logic [1:0] Weights = 2'd2;

  logic [31:0] words [32];
  logic        nameless_q;
  if (Init != "") begin : gen_init
    initial $readmemh({Init, "identity.mem"}, words);
  end
`ifndef SYNTHESIS
  initial begin
    if (engine_pkg::simulated("") != "") begin
      $readmemh(engine_pkg::simulated("identity.mem"), words);
    end
  end
`endif
  initial nameless_q = 1'b0;
  // Plain always: always_ff would be the only writer, without `initial` (IEEE 1800, 9.2.2.4).
  always @(posedge clk_i) begin
    if (we_i) words[{Weights, we_addr_i}] <= we_data_i;
    if (changed_i) nameless_q <= 1'b1;
    else if (we_i & (&we_addr_i)) nameless_q <= 1'b0;
  end
  assign data_o = nameless_q & (addr_i[4:3] == Weights) ? '0 : words[addr_i];
endmodule
