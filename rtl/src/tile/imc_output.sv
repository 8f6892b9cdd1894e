// Keeps finished sums, applies the column's gain and sends them, four columns a beat, column 0
// first.
//
//   y = sat16((acc * gain + 2**14) >> 15)     acc signed AccBits, gain unsigned Q1.15, y 16 bits
// The shift is a floor: halves round up. Four buffers of Groups x Lanes sums; credit_o says that a
// product may start
// (start_i takes a buffer, the last beat read gives it back), so the arithmetic before it never
// stalls.
// Latency: last sum written to first beat 5 cycles. Rate: one beat a cycle; data is stable while
// m_ready_i is low.
// Model: crossloom.sim.crossbar.twin. Testbench: tests/rtl/test_benches.py.
module imc_output #(
  parameter  int unsigned Lanes     = 32,
  parameter  int unsigned Groups    = 4,
  parameter  int unsigned AccBits   = 19,
  localparam int unsigned GroupBits = $clog2(Groups),
  localparam int unsigned QuadBits  = $clog2(Lanes * Groups / 4),
  localparam int unsigned ColBits   = $clog2(Lanes * Groups)
) (
  input  logic                          clk_i,
  input  logic                          rst_ni,
  input  logic                          gain_we_i,
  input  logic [ColBits-1:0]            gain_addr_i,
  input  logic [15:0]                   gain_data_i,
  input  logic                          start_i,
  output logic                          credit_o,
  input  logic                          valid_i,   // the sums of one group
  input  logic [GroupBits-1:0]          group_i,
  input  logic [Lanes-1:0][AccBits-1:0] acc_i,
  output logic                          m_valid_o,
  input  logic                          m_ready_i,
  output logic [3:0][15:0]              m_data_o,
  output logic                          m_last_o,
  // of the beat being sent, 1 where it was saturated
  output logic [3:0]                    clip_o,
  output logic                          busy_o
);
  localparam int unsigned LaneQuads = Lanes / 4;
  localparam int unsigned Quads     = LaneQuads * Groups;

  if (Lanes < 4 || Groups < 2 || Lanes != 2 ** $clog2(Lanes)
    || Groups != 2 ** $clog2(Groups)) begin : gen_lanes
    $error("imc_output: Lanes is %0d, Groups is %0d; powers of two from 4 and 2 on are needed",
      Lanes, Groups);
  end

  // Buffers.
  logic [2:0]          taken_q, ready_q;  // buffers given out, buffers complete
  logic [1:0]          write_q, read_q;
  logic [QuadBits-1:0] quad_q;
  logic                complete, advance, fetch, done;
  assign credit_o = taken_q != 3'd4;
  assign complete = valid_i & (group_i == GroupBits'(Groups - 1));
  assign fetch    = advance & (ready_q != '0);
  assign done     = fetch & (quad_q == QuadBits'(Quads - 1));

  (* ram_style = "distributed" *) logic [Lanes*AccBits-1:0] mem [4 * Groups];
  logic [LaneQuads-1:0][3:0][AccBits-1:0] sums;
  logic [3:0][AccBits-1:0]                pick;
  logic [$clog2(4 * Groups)-1:0] write_addr, read_addr;
  assign write_addr = {write_q, group_i};
  assign read_addr  = {read_q, quad_q[QuadBits-1 -: GroupBits]};
  always_ff @(posedge clk_i) if (valid_i) mem[write_addr] <= acc_i;
  assign sums = mem[read_addr];
  if (LaneQuads > 1) begin : gen_pick
    assign pick = sums[quad_q[$clog2(LaneQuads)-1:0]];
  end else begin : gen_only
    assign pick = sums[0];
  end

  // Gains: four memories, one a column of the beat.
  logic [3:0][15:0] gains;
  for (genvar j = 0; j < 4; j++) begin : gen_gain
    (* ram_style = "distributed" *) logic [15:0] gain [Quads];
    always_ff @(posedge clk_i) begin
      if (gain_we_i && gain_addr_i[1:0] == 2'(j)) gain[gain_addr_i[ColBits-1:2]] <= gain_data_i;
    end
    assign gains[j] = gain[quad_q];
  end

  // Four stages that move together.
  logic [3:0] valid_q, last_q;
  assign advance   = ~valid_q[3] | m_ready_i;
  assign m_valid_o = valid_q[3];
  assign m_last_o  = last_q[3];
  assign busy_o    = (taken_q != '0) | (|valid_q);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      taken_q <= '0;
      ready_q <= '0;
      write_q <= '0;
      read_q  <= '0;
      quad_q  <= '0;
      valid_q <= '0;
    end else begin
      taken_q <= taken_q + 3'(start_i) - 3'(done);
      ready_q <= ready_q + 3'(complete) - 3'(done);
      if (complete) write_q <= write_q + 1'b1;
      if (done) read_q <= read_q + 1'b1;
      if (fetch) quad_q <= quad_q + 1'b1;
      if (advance) valid_q <= {valid_q[2:0], fetch};
    end
  end
  always_ff @(posedge clk_i) if (advance) last_q <= {last_q[2:0], quad_q == QuadBits'(Quads - 1)};

  for (genvar j = 0; j < 4; j++) begin : gen_column
    imc_gain #(.AccBits(AccBits)) u_gain (
      .clk_i, .en_i(advance), .acc_i($signed(pick[j])), .gain_i(gains[j]), .y_o(m_data_o[j]),
      .clip_o(clip_o[j])
    );
  end

`ifndef SYNTHESIS
  stream_check #(.Bits($bits(m_data_o) + 1)) u_check (
    .clk_i, .rst_ni, .valid_i(m_valid_o), .ready_i(m_ready_i), .data_i({m_last_o, m_data_o})
  );
  room: assert property (@(posedge clk_i) disable iff (!rst_ni) start_i |-> credit_o)
    else $error("imc_output: a product started without a buffer; results will be overwritten");
`endif
endmodule
