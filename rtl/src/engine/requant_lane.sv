// One lane of requant: add, shift, round, clip, in four cycles.
//   raw_o = acc_i + bias_i;  y_o = clip(round_shift(raw_o, shift_i), lo, hi) - lo, hi = lo + span_i
//
// Only the few bits of the shifted sum that a code can have are built (the window); of those above
// it is enough whether they are copies of the sign, of those below whether all are 0.
// Operands and model: see requant. Throughput: one code a cycle.
// Testbench: tests/rtl/testbench_engine_arithmetic.py (through requant).
module requant_lane #(
  parameter int unsigned AccBits  = 20,
  parameter int unsigned OutBits  = 4,
  parameter int unsigned CodeBits = OutBits + 1,
  parameter int          ShiftMin = 0,
  parameter int          ShiftMax = 12
) (
  input  logic                       clk_i,
  input  logic [3:0]                 en_i,     // each cycle's registers
  input  logic [AccBits-1:0]         acc_i,
  input  logic [AccBits-1:0]         bias_i,
  input  logic [6:0]                 shift_i,
  input  logic [1:0]                 rounding_i,
  input  logic signed [CodeBits:0]   minus_lo_i,
  input  logic [OutBits-1:0]         span_i,
  output logic [OutBits-1:0]         y_o,
  output logic [AccBits-1:0]         raw_o,
  output logic                       clip_o
);
  if (ShiftMin < -16 || ShiftMax > 47 || ShiftMin > ShiftMax) begin : gen_shift
    $error("requant: shifts %0d to %0d; within -16 to 47 are needed", ShiftMin, ShiftMax);
  end
  if (CodeBits < OutBits || CodeBits > 33) begin : gen_code
    $error("requant: CodeBits is %0d; OutBits to 33 are needed", CodeBits);
  end

  // Shifts count from ShiftMin: by fours first, then by the rest.
  localparam int unsigned Steps    = ShiftMax > ShiftMin ? ShiftMax - ShiftMin : 0;
  localparam int unsigned Coarses  = Steps / 4 + 1;
  localparam int unsigned Fines    = Steps < 3 ? Steps + 1 : 4;
  // One bit more than a code, so that what is out of range stays so, and exact, when it is rounded.
  localparam int unsigned Window   = CodeBits + 1;
  localparam int unsigned Wide     = Window + Fines;  // and below it the bit that decides rounding
  // wide holds the sum, zeros below, copies of its sign above; window c starts at Start + 4c.
  localparam int unsigned Zeros    = ShiftMin < 1 ? 1 - ShiftMin : 0;
  localparam int unsigned Start    = ShiftMin < 1 ? 0 : ShiftMin - 1;
  localparam int unsigned Reach    = Start + 4 * (Coarses - 1) + Wide;
  localparam int unsigned Bits     = Reach > AccBits + Zeros ? Reach : AccBits + Zeros;
  localparam int unsigned StepBits   = Steps > 3 ? $clog2(Steps + 1) : 2;

  // Cycle 1: the sum.
  logic signed [AccBits-1:0] sum_q;
  logic [StepBits-1:0]       steps_q;
  always_ff @(posedge clk_i) begin
    if (en_i[0]) begin
      sum_q   <= acc_i + bias_i;
      steps_q <= Steps > 0 ? StepBits'(shift_i - 7'(ShiftMin)) : '0;
    end
  end

  // Cycle 2: the window by fours.
  logic [Wide-1:0] window_q;
  logic            sign_q, above_q, below_q;
  logic [1:0]      fine_q;
  always_ff @(posedge clk_i) begin
    if (en_i[1]) begin
      automatic logic signed [Bits-1:0] wide    = Bits'(sum_q) <<< Zeros;
      automatic logic signed [Bits-1:0] differs = wide ^ {Bits{sum_q[AccBits-1]}};
      automatic int unsigned            first   = Start + 4 * (32'(steps_q) >> 2);
      window_q <= wide[first +: Wide];
      above_q  <= |(differs & ({Bits{1'b1}} << (first + Wide)));
      below_q  <= |(wide & ~({Bits{1'b1}} << first));
      sign_q   <= sum_q[AccBits-1];
      fine_q   <= steps_q[1:0];
    end
  end

  // Cycle 3: the window by ones, and whether rounding adds one.
  logic [Window-1:0] floor_q;
  logic              up_q, over_q, negative_q;
  always_ff @(posedge clk_i) begin
    if (en_i[2]) begin
      automatic logic [Window:0] shifted = (Window+1)'(window_q >> fine_q);
      automatic logic [Wide-1:0] over    = (window_q ^ {Wide{sign_q}}) >> fine_q;
      automatic logic [Wide-1:0] lost    = window_q & ~({Wide{1'b1}} << fine_q);
      floor_q    <= shifted[Window:1];
      over_q     <= above_q | (|(over >> Window));
      negative_q <= sign_q;
      case (rounding_i)
        engine_pkg::ROUNDING_HALF_UP:   up_q <= shifted[0];
        engine_pkg::ROUNDING_HALF_EVEN: up_q <= shifted[0] & (below_q | (|lost) | shifted[1]);
        default:                        up_q <= 1'b0;
      endcase
    end
  end

  // Cycle 4: from lo, clipped. The bit below both operands carries the rounding in.
  always_ff @(posedge clk_i) begin
    if (en_i[3]) begin
      automatic logic [Window:0] code = (Window+1)'(
        ((Window+2)'($signed({floor_q, 1'b1})) + (Window+2)'($signed({minus_lo_i, up_q}))) >> 1);
      automatic logic            low  = over_q ? negative_q : code[Window];
      automatic logic            high = over_q ? ~negative_q
        : ~code[Window] & ((|code[Window-1:OutBits]) | (code[OutBits-1:0] > span_i));
      y_o    <= low ? '0 : high ? span_i : code[OutBits-1:0];
      clip_o <= low | high;
    end
  end

  // The sum itself, as late as the code.
  logic [AccBits-1:0] raw2_q, raw3_q;
  always_ff @(posedge clk_i) begin
    if (en_i[1]) raw2_q <= sum_q;
    if (en_i[2]) raw3_q <= raw2_q;
    if (en_i[3]) raw_o  <= raw3_q;
  end
endmodule
