// Receives frames of Rows bytes, four a beat, and hands them on in the order of the rows: row r
// gets byte permutation[r].
//
// Two buffers: one fills while the other is read; a frame is taken every Rows / 4 cycles.
// A frame that ends early (short_o) or does not end on its last beat (long_o) is dropped whole.
// After long_o, beats are discarded up to and including the next s_last_i, or until resync_i,
// whichever comes first.
//   quad_o   rows 4*quad .. 4*quad+3;  data_o  their four bytes, row 4*quad in the lowest
//   valid_o  when free_i;  last_o  with the frame's last quad
// Latency: last beat to first quad 1 cycle. Rate: one quad a cycle.
// Model: x[:, permutation] in crossloom.sim.crossbar.twin. Testbench: tests/rtl/test_benches.py.
module imc_frame #(
  parameter  int unsigned Rows     = 128,
  localparam int unsigned Quads    = Rows / 4,
  localparam int unsigned QuadBits = $clog2(Quads),
  localparam int unsigned RowBits  = $clog2(Rows)
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                perm_we_i,   // permutation of rows 4*addr .. 4*addr+3, a byte each
  input  logic [QuadBits-1:0] perm_addr_i,
  input  logic [31:0]         perm_data_i,
  input  logic                resync_i,
  input  logic                s_valid_i,
  output logic                s_ready_o,
  input  logic [31:0]         s_data_i,
  input  logic                s_last_i,
  output logic                valid_o,
  output logic [QuadBits-1:0] quad_o,
  output logic [3:0][7:0]     data_o,
  output logic                last_o,
  input  logic                free_i,
  output logic                good_o,      // one cycle each: a frame was taken, was short, was long
  output logic                short_o,
  output logic                long_o,
  output logic                busy_o,      // something of a good or growing frame is inside
  output logic                drop_o       // discarding the tail of a long frame
);
  if (Rows < 8 || Rows > 256 || Rows != 2 ** RowBits) begin : gen_rows
    $error("imc_frame: Rows is %0d; a power of two from 8 to 256 is needed", Rows);
  end

  // Receiving.
  logic [QuadBits-1:0] beat_q;
  logic                buffer_q, drop_q;
  logic [1:0]          full_q;
  logic                take, at_end;
  assign s_ready_o = rst_ni & (drop_q | ~full_q[buffer_q]);
  assign take      = s_valid_i & s_ready_o & ~drop_q;
  assign at_end    = beat_q == QuadBits'(Quads - 1);
  assign good_o    = take & s_last_i & at_end;
  assign short_o   = take & s_last_i & ~at_end;
  assign long_o    = take & ~s_last_i & at_end;
  assign drop_o    = drop_q;
  assign busy_o    = (|full_q) | (beat_q != '0);

  // Handing on.
  logic [QuadBits-1:0] quad_q;
  logic                turn_q;
  assign valid_o = full_q[turn_q] & free_i;
  assign quad_o  = quad_q;
  assign last_o  = quad_q == QuadBits'(Quads - 1);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      beat_q <= '0;
      buffer_q <= 1'b0;
      drop_q <= 1'b0;
      full_q <= '0;
      quad_q <= '0;
      turn_q <= 1'b0;
    end else begin
      if (take) beat_q <= (s_last_i | at_end) ? '0 : beat_q + 1'b1;
      if (good_o) begin
        full_q[buffer_q] <= 1'b1;
        buffer_q         <= ~buffer_q;
      end
      if (long_o) drop_q <= 1'b1;
      else if (resync_i | (s_valid_i & s_last_i)) drop_q <= 1'b0;
      if (valid_o) begin
        quad_q <= quad_q + 1'b1;
        if (last_o) begin
          full_q[turn_q] <= 1'b0;
          turn_q         <= ~turn_q;
        end
      end
    end
  end

  // Memories: the permutation, and four copies of the frame so that four rows find their bytes at
  // once.
  (* ram_style = "distributed" *) logic [31:0] perm [Quads];
  logic [3:0][7:0] source;
  always_ff @(posedge clk_i) if (perm_we_i) perm[perm_addr_i] <= perm_data_i;
  assign source = perm[quad_q];
  for (genvar j = 0; j < 4; j++) begin : gen_copy
    (* ram_style = "distributed" *) logic [31:0] mem [2 * Quads];
    logic [3:0][7:0] word;
    always_ff @(posedge clk_i) if (take) mem[{buffer_q, beat_q}] <= s_data_i;
    assign word      = mem[{turn_q, source[j][RowBits-1:2]}];
    assign data_o[j] = word[source[j][1:0]];
  end

`ifndef SYNTHESIS
  whole: assert property (@(posedge clk_i) disable iff (!rst_ni) take |-> !full_q[buffer_q])
    else $error("imc_frame: a beat went into a full buffer; a frame that was taken is damaged");
`endif
  if (RowBits < 8) begin : gen_unused
    logic unused;
    assign unused = ^{source[0][7:RowBits], source[1][7:RowBits], source[2][7:RowBits],
      source[3][7:RowBits]};
  end
endmodule
