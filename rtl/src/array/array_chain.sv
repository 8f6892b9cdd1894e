// Rows of two activations by two weights in one chain of DSP48E1:
//   field 2c+p of p_o = sum over rows r of x_i[p][r] * w_i[c][r],  p, c < 2
//
// x unsigned XBits bits, w unsigned WBits bits; a field is unsigned FieldBits bits and holds the
// sum over Rows rows (array_pkg): no carry crosses into the next one. One DSP48E1 a row.
// Latency: 2 + (Rows+1)/2 cycles: inputs, product, and a sum after every second row.
// Throughput: one sum a cycle. Everything is unsigned: Yosys 0.70 loses signs in DSP packing.
// Testbench: tests/rtl/testbench_engine_array.py.
(* keep_hierarchy *)
module array_chain #(
  parameter int unsigned Rows      = 4,
  parameter int unsigned XBits     = 4,
  parameter int unsigned WBits     = 4,
  parameter int unsigned FieldBits = array_pkg::field_bits(XBits, WBits)
) (
  input  logic                            clk_i,
  input  logic [1:0][Rows-1:0][XBits-1:0] x_i,
  input  logic [1:0][Rows-1:0][WBits-1:0] w_i,
  output logic [3:0][FieldBits-1:0]        p_o
);
  localparam int unsigned XWidth = FieldBits + XBits;
  localparam int unsigned WWidth = 2 * FieldBits + WBits;
  localparam int unsigned Width  = 4 * FieldBits;

  if (XWidth > 17 || WWidth > 24 || FieldBits < XBits + WBits) begin : gen_size
    $error("array_chain: %0d by %0d bits in fields of %0d do not fit a DSP48E1",
           XBits, WBits, FieldBits);
  end

  logic [Rows:0][Width-1:0] sum;
  assign sum[0] = '0;
  assign p_o    = sum[Rows];

  for (genvar r = 0; r < Rows; r++) begin : gen_row
    localparam int unsigned Late = r / 2;  // the sum of the rows before comes that much later
    logic [XWidth-1:0] x, x_q;
    logic [WWidth-1:0] w, w_q;
    logic [Width-1:0]  m_q, next;
    assign x = XWidth'({x_i[1][r], FieldBits'(x_i[0][r])});
    assign w = WWidth'({w_i[1][r], (2 * FieldBits)'(w_i[0][r])});
    delay #(.Bits(XWidth), .Cycles(1 + Late)) u_x (.clk_i, .d_i(x), .q_o(x_q));
    delay #(.Bits(WWidth), .Cycles(1 + Late)) u_w (.clk_i, .d_i(w), .q_o(w_q));
    always_ff @(posedge clk_i) m_q <= Width'(x_q) * Width'(w_q);
    assign next = sum[r] + m_q;
    if (r % 2 == 1 || r == Rows - 1) begin : gen_register
      always_ff @(posedge clk_i) sum[r+1] <= next;
    end else begin : gen_wire
      assign sum[r+1] = next;
    end
  end
endmodule
