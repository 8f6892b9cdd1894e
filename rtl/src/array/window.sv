// Fetches a tap's codes: pixels (y_i, x_i + p * step_x_i) of one block of Rows channels.
//
//   way = x mod Ways, word = base_i + row_i + plane_i + x / Ways
//   x_o[p] = that way's word, or pad_i in every row where the pixel is outside height_i x width_i
// Two pixels that are both inside must be in different ways (`paired` in
// crossloom.rtl.compiler.program). unrolled_i: rows j * Unroll ... of x_o[p] are the first Unroll
// codes of pixel x_i + p + j instead: one tap reads as many columns of a window as fit rows and
// ways. Unroll is 0 where nothing does. Codes unsigned XBits bits. Latency: tap to addr_o 2 cycles,
// words 1 cycle later (feature_memory), tap to x_o 4 cycles. Throughput: a tap a cycle.
// Model: tests/rtl/engine_interpreter.py. Testbench: tests/rtl/testbench_engine_array.py.
module window #(
  parameter  int unsigned Rows        = 8,
  parameter  int unsigned Pix         = 2,
  parameter  int unsigned XBits       = 4,
  parameter  int unsigned FeatureBits = 10,
  parameter  int unsigned Unroll        = 0,
  localparam int unsigned Ways       = Pix == 1 ? 1 : 2 * Pix,
  localparam int unsigned Log         = $clog2(Ways),
  localparam int unsigned WayBits    = Ways > 1 ? Log : 1
) (
  input  logic                                     clk_i,
  input  logic                                     rst_ni,
  input  logic                                     valid_i,
  input  logic                                     paired_i,
  input  logic                                     unrolled_i,
  input  logic [FeatureBits-1:0]                   base_i,
  input  logic [FeatureBits-1:0]                   row_i,
  input  logic [FeatureBits-1:0]                   plane_i,
  input  logic signed [13:0]                       y_i,
  input  logic signed [13:0]                       x_i,
  input  logic [7:0]                               step_x_i,
  input  logic [12:0]                              height_i,
  input  logic [12:0]                              width_i,
  input  logic [XBits-1:0]                         pad_i,
  output logic [Ways-1:0][FeatureBits-1:0]        addr_o,
  input  logic [Ways-1:0][Rows-1:0][XBits-1:0]    words_i,
  output logic [Pix-1:0][Rows-1:0][XBits-1:0]      x_o
);
  // Cycle 1: both parts of the address. Coordinates below 0 are large when unsigned.
  logic [FeatureBits-1:0]          block_q;
  logic [Pix-1:0][13:0]            x;
  logic [Pix-1:0][FeatureBits-1:0] column_q, word;
  logic [Pix-1:0]                  inside_q, inside_late;
  logic [Pix-1:0][1:0]             way_q, way_late;
  logic [XBits-1:0]                pad_late;
  logic [Pix-1:0][Rows-1:0][XBits-1:0] apart;
  logic [Ways-1:0]                next;

  for (genvar p = 0; p < Pix; p++) begin : gen_x
    assign x[p]    = x_i + (p == 0 ? 14'd0 : 14'(step_x_i));
    assign word[p] = block_q + column_q[p];
    always_ff @(posedge clk_i) begin
      column_q[p] <= plane_i + FeatureBits'($signed(x[p]) >>> Log);
      inside_q[p] <= rst_ni & valid_i & (14'(y_i) < 14'(height_i)) & (x[p] < 14'(width_i))
                   & (p == 0 | paired_i);
      way_q[p]   <= 2'(x[p] % 14'(Ways));
    end
    assign apart[p] = inside_late[p] ? words_i[WayBits'(way_late[p])] : {Rows{pad_late}};
  end
  delay #(.Bits(3 * Pix), .Cycles(2)) u_late (
    .clk_i, .d_i({inside_q, way_q}), .q_o({inside_late, way_late})
  );
  delay #(.Bits(XBits), .Cycles(3)) u_pad (.clk_i, .d_i(pad_i), .q_o(pad_late));

  // Columns side by side: pixel x + n is in way (x + n) mod Ways, one word on where that wraps.
  if (Unroll > 0 && Pix == 2) begin : gen_unroll
    localparam int unsigned Taps = Rows / Unroll < Ways - 1 ? Rows / Unroll : Ways - 1;
    logic             unrolled_q, unrolled_late;
    logic [Ways-1:0] near, near_late;
    for (genvar n = 0; n < Ways; n++) begin : gen_near
      assign near[n] = (14'(y_i) < 14'(height_i)) & (14'(x_i) + 14'(n) < 14'(width_i));
    end
    always_ff @(posedge clk_i) unrolled_q <= unrolled_i;
    delay #(.Bits(1), .Cycles(2)) u_unrolled (.clk_i, .d_i(unrolled_q), .q_o(unrolled_late));
    delay #(.Bits(Ways), .Cycles(3)) u_near (.clk_i, .d_i(near), .q_o(near_late));
    assign next[Ways-1] = 1'b0;
    for (genvar b = 0; b < Ways - 1; b++) begin : gen_next
      assign next[b] = unrolled_q & (2'(b) < way_q[0]);
    end
    for (genvar p = 0; p < Pix; p++) begin : gen_pix
      always_ff @(posedge clk_i) begin
        automatic logic [Rows-1:0][XBits-1:0] codes = apart[p];
        if (unrolled_late) begin
          for (int unsigned r = 0; r < Taps * Unroll; r++) begin
            automatic int unsigned n = 32'(p) + r / Unroll;
            codes[r] = near_late[n] ? words_i[2'(32'(way_late[0]) + n)][r%Unroll] : pad_late;
          end
        end
        x_o[p] <= codes;
      end
    end
  end else begin : gen_no_fold
    always_ff @(posedge clk_i) x_o <= apart;
    assign next = '0;
    logic unused;
    assign unused = unrolled_i;
  end

  // Cycle 2: one address a way.
  always_ff @(posedge clk_i) block_q <= base_i + row_i;
  for (genvar b = 0; b < Ways; b++) begin : gen_addr
    logic [FeatureBits-1:0] addr_q;
    always_ff @(posedge clk_i) begin
      addr_q <= word[0] + FeatureBits'(next[b]);
      for (int unsigned p = 1; p < Pix; p++) begin
        if (inside_q[p] && way_q[p] == 2'(b)) addr_q <= word[p];  // the same if unrolled
      end
    end
    assign addr_o[b] = addr_q;
  end

`ifndef SYNTHESIS
  if (Pix == 2) begin : gen_promise
    always_ff @(posedge clk_i) begin
      if (rst_ni & (&inside_q)) begin
        ways: assert (way_q[0] != way_q[Pix-1])
          else $error("window: two pixels in a way; one is read instead of the other");
      end
    end
  end
`endif
endmodule
