// Turns AXI4-Lite into single writes and reads of 32-bit words for a register file.
//
// A write: wr_valid_o for one cycle with its byte address, data and strobes, once address and data
// have both come.
// A read: rd_valid_o for one cycle with its address; rd_data_i is taken in that cycle
// (combinational answer).
// Every access is answered OKAY: on a Zynq an error response is a bus error that kills the process
// which made it,
// so what went wrong is told by the register file instead. Addresses are aligned down to words.
// Rate: a write or a read every two cycles. Testbench: tests/rtl/test_benches.py (with
// cocotbext-axi).
module axil_bus #(
  parameter int unsigned AddrBits = 20
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                aw_valid_i,
  output logic                aw_ready_o,
  input  logic [AddrBits-1:0] aw_addr_i,
  input  logic                w_valid_i,
  output logic                w_ready_o,
  input  logic [31:0]         w_data_i,
  input  logic [3:0]          w_strb_i,
  output logic                b_valid_o,
  input  logic                b_ready_i,
  input  logic                ar_valid_i,
  output logic                ar_ready_o,
  input  logic [AddrBits-1:0] ar_addr_i,
  output logic                r_valid_o,
  input  logic                r_ready_i,
  output logic [31:0]         r_data_o,
  output logic                wr_valid_o,
  output logic [AddrBits-1:0] wr_addr_o,
  output logic [31:0]         wr_data_o,
  output logic [3:0]          wr_strb_o,
  output logic                rd_valid_o,
  output logic [AddrBits-1:0] rd_addr_o,
  input  logic [31:0]         rd_data_i
);
  logic                aw_full_q, w_full_q, b_valid_q, r_valid_q;
  logic [AddrBits-1:0] aw_addr_q;
  logic [31:0]         w_data_q, r_data_q;
  logic [3:0]          w_strb_q;

  assign aw_ready_o = ~aw_full_q;
  assign w_ready_o  = ~w_full_q;
  assign wr_valid_o = aw_full_q & w_full_q & (~b_valid_q | b_ready_i);
  assign wr_addr_o  = {aw_addr_q[AddrBits-1:2], 2'b00};
  assign wr_data_o  = w_data_q;
  assign wr_strb_o  = w_strb_q;
  assign b_valid_o  = b_valid_q;
  assign ar_ready_o = ~r_valid_q;
  assign rd_valid_o = ar_valid_i & ar_ready_o;
  assign rd_addr_o  = {ar_addr_i[AddrBits-1:2], 2'b00};
  assign r_valid_o  = r_valid_q;
  assign r_data_o   = r_data_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      aw_full_q <= 1'b0;
      w_full_q  <= 1'b0;
      b_valid_q <= 1'b0;
      r_valid_q <= 1'b0;
    end else begin
      if (wr_valid_o) aw_full_q <= 1'b0;
      else if (aw_valid_i) aw_full_q <= 1'b1;
      if (wr_valid_o) w_full_q <= 1'b0;
      else if (w_valid_i) w_full_q <= 1'b1;
      if (wr_valid_o) b_valid_q <= 1'b1;
      else if (b_ready_i) b_valid_q <= 1'b0;
      if (rd_valid_o) r_valid_q <= 1'b1;
      else if (r_ready_i) r_valid_q <= 1'b0;
    end
    if (aw_valid_i & aw_ready_o) aw_addr_q <= aw_addr_i;
    if (w_valid_i & w_ready_o) w_data_q <= w_data_i;
    if (w_valid_i & w_ready_o) w_strb_q <= w_strb_i;
    if (rd_valid_o) r_data_q <= rd_data_i;
  end

  logic unused;
  assign unused = ^{aw_addr_q[1:0], ar_addr_i[1:0]};

`ifndef SYNTHESIS
  stream_check #(.Bits(32)) u_check (
    .clk_i, .rst_ni, .valid_i(r_valid_o), .ready_i(r_ready_i), .data_i(r_data_o)
  );
`endif
endmodule
