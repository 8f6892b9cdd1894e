// Ways of words of Rows codes: each way reads a word, and all together write a chunk of Lanes
// codes a cycle.
//
//   words_o[b] = mem[b][addr_i[b]]      one cycle later
//   mem[we_way_i][we_addr_i], codes we_slot_i * Lanes ..., = we_data_i
// A word that is written and read in one cycle reads as anything. Codes unsigned XBits bits.
// Testbench: tests/rtl/testbench_engine_array.py.
module feature_memory #(
  parameter  int unsigned Rows     = 8,
  parameter  int unsigned Lanes    = 4,
  parameter  int unsigned Ways    = 4,
  parameter  int unsigned XBits    = 4,
  parameter  int unsigned Words    = 1024,
  localparam int unsigned AddrBits = Words > 1 ? $clog2(Words) : 1,
  localparam int unsigned Slots    = Rows / Lanes
) (
  input  logic                                  clk_i,
  input  logic [Ways-1:0][AddrBits-1:0]        addr_i,
  output logic [Ways-1:0][Rows-1:0][XBits-1:0] words_o,
  input  logic                                  we_i,
  input  logic [AddrBits-1:0]                   we_addr_i,
  input  logic [1:0]                            we_way_i,
  input  logic [7:0]                            we_slot_i,
  input  logic [Lanes-1:0][XBits-1:0]           we_data_i
);
  // A memory a chunk: no synthesis tool has to find out about enables within a word.
  for (genvar b = 0; b < Ways; b++) begin : gen_way
    for (genvar s = 0; s < Slots; s++) begin : gen_slot
      logic [Lanes*XBits-1:0] mem [Words];
      logic                   here;
      assign here = we_i & (we_way_i == 2'(b)) & (we_slot_i == 8'(s));
      always_ff @(posedge clk_i) begin
        if (here) mem[we_addr_i] <= we_data_i;
        words_o[b][s*Lanes +: Lanes] <= mem[addr_i[b]];
      end
    end
  end
endmodule
