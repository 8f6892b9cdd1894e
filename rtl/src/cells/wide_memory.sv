// A memory of wide words that is read every cycle and written in parts of 36 bits, which is half a
// block RAM: of parts of 32 bits an eighth would be lost.
//
//   data_o = mem[addr_i]      Latency cycles later
//   mem[we_addr_i][36 * we_part_i +: 36] = we_data_i
// First content from {Init}{File}, none if Init is "": one word a line, hexadecimal.
// Testbench: tests/rtl/testbench_engine_array.py.
module wide_memory #(
  parameter  int unsigned Bits     = 256,
  parameter  int unsigned Words    = 512,
  parameter  int unsigned Latency  = 2,     // 1, or 2 with the memory's own output register
  parameter               Init     = "",
  parameter               File     = "memory.mem",
  localparam int unsigned AddrBits = Words > 1 ? $clog2(Words) : 1,
  localparam int unsigned Parts    = (Bits + 35) / 36,
  localparam int unsigned PartBits = Parts > 1 ? $clog2(Parts) : 1
) (
  input  logic                clk_i,
  input  logic [AddrBits-1:0] addr_i,
  output logic [Bits-1:0]     data_o,
  input  logic                we_i,
  input  logic [AddrBits-1:0] we_addr_i,
  input  logic [PartBits-1:0] we_part_i,
  input  logic [35:0]         we_data_i
);
  // Whole parts: single bits would be a port each. What nothing reads, synthesis removes.
  logic [36*Parts-1:0] mem [Words];
  logic [Bits-1:0]     word_q;
  if (Init != "") begin : gen_init
    initial $readmemh({Init, File}, mem);
  end
`ifndef SYNTHESIS
  initial begin
    if (engine_pkg::simulated(File) != "") $readmemh(engine_pkg::simulated(File), mem);
  end
`endif

  // Plain always: always_ff would be the only writer, without `initial` (IEEE 1800, 9.2.2.4).
  always @(posedge clk_i) begin
    if (we_i) begin
      for (int unsigned p = 0; p < Parts; p++) begin
        if (we_part_i == PartBits'(p)) mem[we_addr_i][36*p +: 36] <= we_data_i;
      end
    end
  end
  always_ff @(posedge clk_i) word_q <= Bits'(mem[addr_i]);
  delay #(.Bits(Bits), .Cycles(Latency - 1)) u_delay (.clk_i, .d_i(word_q), .q_o(data_o));
endmodule
