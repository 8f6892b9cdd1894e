// Holds two frames of inputs as rows of bytes and drives the word lines with one masked bit plane a
// cycle.
//
//   drive_o[r] = x[r][plane] & mask[segment][r]     one cycle after the step
// Written four rows a cycle while free_o; avail_o says that a whole frame waits; release_i gives it
// back.
// Masks: Rows bits for each of Rows/32 segments, written 32 rows at a time (address = segment *
// Rows/32 + word).
// Latency: step to drive 1 cycle; last write to avail_o 1 cycle.
// Testbench: tests/rtl/test_benches.py.
module imc_planes #(
  parameter  int unsigned Rows     = 128,
  localparam int unsigned Words    = Rows / 32,
  localparam int unsigned SegBits  = Words > 1 ? $clog2(Words) : 1,
  localparam int unsigned MaskBits = Words > 1 ? 2 * $clog2(Words) : 1,
  localparam int unsigned QuadBits = $clog2(Rows / 4)
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                mask_we_i,
  input  logic [MaskBits-1:0] mask_addr_i,
  input  logic [31:0]         mask_data_i,
  input  logic                valid_i,
  input  logic [QuadBits-1:0] quad_i,
  input  logic [3:0][7:0]     data_i,
  input  logic                last_i,
  output logic                free_o,
  output logic                avail_o,
  input  logic                release_i,
  input  logic [2:0]          plane_i,
  input  logic [SegBits-1:0]  segment_i,
  output logic [Rows-1:0]     drive_o,
  output logic                busy_o
);
  logic [1:0] full_q;
  logic       buffer_q, turn_q;
  assign free_o  = ~full_q[buffer_q];
  assign avail_o = full_q[turn_q];
  assign busy_o  = (|full_q);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      full_q <= '0;
      buffer_q <= 1'b0;
      turn_q <= 1'b0;
    end else begin
      if (valid_i & last_i) begin
        full_q[buffer_q] <= 1'b1;
        buffer_q         <= ~buffer_q;
      end
      if (release_i) begin
        full_q[turn_q] <= 1'b0;
        turn_q         <= ~turn_q;
      end
    end
  end

  // Each row: two bytes of flip-flops; the step picks one bit of sixteen.
  logic [Rows-1:0] bit_line;
  for (genvar q = 0; q < Rows / 4; q++) begin : gen_quad
    logic [1:0][3:0][7:0] byte_q;
    always_ff @(posedge clk_i) if (valid_i && quad_i == QuadBits'(q)) byte_q[buffer_q] <= data_i;
    for (genvar j = 0; j < 4; j++) begin : gen_row
      assign bit_line[4*q + j] = byte_q[turn_q][j][plane_i];
    end
  end

  logic [Rows-1:0] mask;
  for (genvar w = 0; w < Words; w++) begin : gen_mask
    (* ram_style = "distributed" *) logic [31:0] mem [Words];
    logic here;
    logic [SegBits-1:0] segment;
    if (Words > 1) begin : gen_many
      assign here    = mask_addr_i[SegBits-1:0] == SegBits'(w);
      assign segment = mask_addr_i[MaskBits-1:SegBits];
    end else begin : gen_one
      assign here    = mask_addr_i == 1'b0;
      assign segment = 1'b0;
    end
    always_ff @(posedge clk_i) if (mask_we_i & here) mem[segment] <= mask_data_i;
    assign mask[32*w +: 32] = mem[segment_i];
  end

  always_ff @(posedge clk_i) drive_o <= bit_line & mask;
endmodule
