// The sum of three numbers in one carry chain: sum_o = a_i + b_i + c_i, one cycle later.
//
// Operands unsigned Bits bits; sum_o unsigned OutBits bits, the least that hold the sum where the
// operands cannot all be greatest. Latency: 1 cycle. Throughput: one sum a cycle.
// For synthesis: a LUT6_2 a bit gives the majority of the three, which is the next bit's DI, and
// their parity with the bit below's majority, which is S of a CARRY4. Yosys would take two LUTs.
// Testbench: tests/rtl/testbench_engine_array.py. Proof that both forms agree:
// tests/rtl/test_array.py.
module add3 #(
  parameter int unsigned Bits    = 9,
  parameter int unsigned OutBits = 11
) (
  input  logic               clk_i,
  input  logic [Bits-1:0]    a_i,
  input  logic [Bits-1:0]    b_i,
  input  logic [Bits-1:0]    c_i,
  output logic [OutBits-1:0] sum_o
);
  if (OutBits < Bits || OutBits > Bits + 2) begin : gen_size
    $error("add3: Bits is %0d, OutBits is %0d; 0 to 2 more are needed", Bits, OutBits);
  end

  logic [OutBits-1:0] sum;
  always_ff @(posedge clk_i) sum_o <= sum;

`ifndef SYNTHESIS
  assign sum = OutBits'(a_i) + OutBits'(b_i) + OutBits'(c_i);
`else
  localparam int unsigned Cells = (Bits + 2 + 3) / 4;
  logic [4*Cells-1:0] propagate, majority, result, carry;  // majority[k]: of the bits below k

  assign majority[0] = 1'b0;
  for (genvar k = 0; k < 4 * Cells; k++) begin : gen_bit
    if (k < Bits) begin : gen_sum
      // O6 = I0 ^ I1 ^ I2 ^ I3, O5 = majority of I0, I1, I2.
      LUT6_2 #(.INIT(64'h6996_6996_e8e8_e8e8)) u_lut (
        .O6(propagate[k]), .O5(majority[k+1]),
        .I0(a_i[k]), .I1(b_i[k]), .I2(c_i[k]), .I3(majority[k]), .I4(1'b0), .I5(1'b1)
      );
    end else if (k == Bits) begin : gen_pass
      LUT1 #(.INIT(2'b10)) u_lut (.O(propagate[k]), .I0(majority[k]));
    end else begin : gen_carry
      assign propagate[k] = 1'b0;
      assign majority[k]  = 1'b0;
    end
  end
  for (genvar k = 0; k < Cells; k++) begin : gen_carry4
    CARRY4 u_carry (
      .CO(carry[4*k+:4]), .O(result[4*k+:4]), .CI(k == 0 ? 1'b0 : carry[4*k-1]), .CYINIT(1'b0),
      .DI(majority[4*k+:4]), .S(propagate[4*k+:4])
    );
  end
  assign sum = result[OutBits-1:0];
`endif
endmodule
