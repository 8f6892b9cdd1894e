// Registers of a generated core: identities, errors, counters, and the port that rewrites banks.
//
// Addresses and bits: core_regs_pkg, written from crossloom.rtl.registers.core_map. Banks, WEIGHTS
// and PACKET are written only while ~busy_i: a write while busy is ignored and told by ERROR.BUSY.
// So is, by ERROR.VALUE, one to a word or part that a memory has not, or of no rows in use or too
// many. After a write to a bank WEIGHTS reads 0 until its last word is written: half a bank has no
// name. Every fault sets a bit of ERROR (kept until a 1 is written to it) and counts in ERRORS.
// Counters are unsigned 32 bits and wrap. identity.mem: 8 words each of STRUCTURE, FIXED, WEIGHTS.
// Latency: a write takes effect in the cycle after wr_valid_i; reads answer at once.
// Testbench: tests/rtl/testbench_core_regs.py; faults through the ports:
// tests/rtl/test_core.py.
module core_regs #(
  parameter              Init        = "",  // prefix of identity.mem: STRUCTURE, FIXED and WEIGHTS
  parameter int unsigned ClipBits    = 4,
  parameter int unsigned SpikeBits   = 1,
  parameter int unsigned Weights     = 256,  // words of each memory that has banks, and their parts
  parameter int unsigned WeightParts = 8,
  parameter int unsigned Params      = 64,
  parameter int unsigned ParamParts  = 3,
  parameter int unsigned Tables      = 0,
  parameter int unsigned TableParts  = 8,
  parameter int unsigned Neurons     = 0,
  parameter int unsigned NeuronParts = 3,
  parameter int unsigned Branches    = 1,
  parameter int unsigned Capacity    = 8   // rows that a branch can use
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                wr_valid_i,
  input  logic [11:0]         wr_addr_i,
  input  logic [31:0]         wr_data_i,
  input  logic [3:0]          wr_strb_i,
  input  logic                rd_valid_i,
  input  logic [11:0]         rd_addr_i,
  output logic [31:0]         rd_data_o,
  output logic                core_rst_no,
  output logic                resync_o,
  output logic [15:0]         packet_o,   // frames that a packet may have
  output logic                bank_we_o,
  output logic [program_pkg::MEMORY_BITS-1:0] bank_memory_o,
  output logic [19:0]         bank_addr_o,
  output logic [15:0]         bank_part_o,
  output logic [35:0]         bank_data_o,
  input  logic                busy_i,
  input  logic                drop_i,
  input  logic                image_i,    // an image begins
  input  logic                short_i,
  input  logic                long_i,
  input  logic                sent_i,     // a result's last beat was taken
  input  logic                waiting_i,  // the output waits for its reader
  input  logic [ClipBits-1:0] clipped_i,
  input  logic [SpikeBits-1:0] spiked_i
);
  import core_regs_pkg::*;

  localparam int unsigned Counters = 8, Errors = 6;
  localparam logic [6:0] StructureBlock = STRUCTURE_0_OFFSET[11:5],
    FixedBlock = FIXED_0_OFFSET[11:5], WeightsBlock = WEIGHTS_0_OFFSET[11:5],
    CounterBlock = FRAMES_IN_OFFSET[11:5], MoreCounters = SPIKES_OFFSET[11:5];

  logic control_hit, error_hit, timeout_hit, packet_hit, place_hit, part_hit, high_hit;
  logic data_hit, weights_hit, known;
  assign control_hit = wr_addr_i == CONTROL_OFFSET;
  assign error_hit   = wr_addr_i == ERROR_OFFSET;
  assign timeout_hit = wr_addr_i == TIMEOUT_OFFSET;
  assign packet_hit  = wr_addr_i == PACKET_OFFSET;
  assign place_hit   = wr_addr_i == BANK_PLACE_OFFSET;
  assign part_hit    = wr_addr_i == BANK_PART_OFFSET;
  assign high_hit    = wr_addr_i == BANK_HIGH_OFFSET;
  assign data_hit    = wr_addr_i == BANK_DATA_OFFSET;
  assign weights_hit = wr_addr_i[11:5] == WeightsBlock;
  assign known       = control_hit | error_hit | timeout_hit | packet_hit | place_hit | part_hit
                     | high_hit | data_hit | weights_hit;

  logic [31:0] timeout_q, stalled_q;
  logic [19:0] word_q;
  logic [15:0] part_q, packet_q;
  logic [program_pkg::MEMORY_BITS-1:0] memory_q;
  logic [3:0]  high_q;
  logic        soft_q, bank_we_q, there;

  // Elsewhere would be other words' banks, or the trunk.
  function automatic logic has(input int unsigned words, parts, input logic [35:0] place);
    return (32'(place[35:16]) < words) & (32'(place[15:0]) < parts);
  endfunction
  always_comb begin
    case (memory_q)
      program_pkg::MEMORY_WEIGHTS: there = has(Weights, WeightParts, {word_q, part_q});
      program_pkg::MEMORY_PARAMS:  there = has(Params, ParamParts, {word_q, part_q});
      program_pkg::MEMORY_TABLES:  there = has(Tables, TableParts, {word_q, part_q});
      program_pkg::MEMORY_NEURONS: there = has(Neurons, NeuronParts, {word_q, part_q});
      program_pkg::MEMORY_ROWS:    there = (32'(word_q) < Branches) & (part_q == '0)
                                         & (wr_data_i != '0) & (wr_data_i <= Capacity);
      default:                     there = 1'b0;
    endcase
  end

  // Of a write; without one a simulator has nothing to work out.
  logic unknown, locked, wrong, write;
  always_comb begin
    {unknown, locked, wrong, write} = '0;
    if (wr_valid_i) begin
      unknown = ~known;
      locked  = busy_i & (data_hit | weights_hit | packet_hit);
      wrong   = known & ~locked & ((wr_strb_i != 4'hf) | (data_hit & ~there)
                                   | (packet_hit & (|wr_data_i[31:16] | ~|wr_data_i)));
      write   = known & ~locked & ~wrong;
    end
  end

  // Settings and banks.
  assign core_rst_no   = rst_ni & ~soft_q;
  assign packet_o      = packet_q;
  assign bank_memory_o = memory_q;
  assign bank_addr_o   = word_q;
  // Whatever the register holds before its first reset must not reach the banks.
  assign bank_we_o     = bank_we_q & rst_ni;
  always_ff @(posedge clk_i) begin
    soft_q      <= rst_ni & write & control_hit & wr_data_i[CONTROL_RESET_LSB];
    bank_we_q   <= write & data_hit;
    bank_data_o <= {high_q, wr_data_i};
    bank_part_o <= part_q;
    if (!rst_ni) begin
      timeout_q <= TIMEOUT_RESET;
      packet_q  <= PACKET_RESET[15:0];
      word_q    <= '0;
      part_q    <= '0;
      memory_q  <= '0;
      high_q    <= '0;
    end else if (write) begin
      if (timeout_hit) timeout_q <= wr_data_i;
      if (packet_hit) packet_q <= wr_data_i[15:0];
      if (place_hit) {memory_q, word_q} <= wr_data_i[19+program_pkg::MEMORY_BITS:0];
      if (high_hit) high_q <= wr_data_i[3:0];
      if (part_hit) part_q <= wr_data_i[15:0];
      else if (data_hit) part_q <= part_q + 1'b1;
    end
  end

  logic [31:0] name;
  identity #(.Init(Init)) u_identity (
    .clk_i, .we_i(write & weights_hit), .we_addr_i(wr_addr_i[4:2]), .we_data_i(wr_data_i),
    .changed_i(write & data_hit), .data_o(name),
    .addr_i(rd_addr_i[6:2] - STRUCTURE_0_OFFSET[6:2])
  );

  // Faults.
  logic [Errors-1:0] fault, error_q;
  logic              rd_known, late_q, told_q;
  assign fault[ERROR_SHORT_LSB]   = short_i;
  assign fault[ERROR_LONG_LSB]    = long_i;
  assign fault[ERROR_BUSY_LSB]    = locked;
  assign fault[ERROR_ADDRESS_LSB] = unknown | (rd_valid_i & ~rd_known);
  assign fault[ERROR_VALUE_LSB]   = wrong;
  // Once a stall, also where TIMEOUT is set to less than it has lasted.
  assign fault[ERROR_STALL_LSB]   = late_q & ~told_q;
  assign resync_o = write & error_hit & wr_data_i[ERROR_LONG_LSB];

  logic clear;
  assign clear = write & control_hit & wr_data_i[CONTROL_CLEAR_LSB];
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      error_q   <= '0;
      stalled_q <= 32'd1;
      late_q    <= 1'b0;
      told_q    <= 1'b0;
    end else begin
      error_q   <= (error_q & ~(write & error_hit ? wr_data_i[Errors-1:0] : '0)) | fault;
      stalled_q <= waiting_i ? stalled_q + 1'b1 : 32'd1;  // with this cycle, if it waits
      late_q    <= waiting_i & (timeout_q != '0) & (stalled_q >= timeout_q);
      told_q    <= waiting_i & (told_q | late_q);
    end
  end

  logic [31:0] counter_q [Counters], spikes_q;
  always_ff @(posedge clk_i) begin
    if (~rst_ni | clear) begin
      for (int unsigned i = 0; i < Counters; i++) counter_q[i] <= '0;
      spikes_q <= '0;
    end else begin
      if (image_i) counter_q[0] <= counter_q[0] + 1'b1;
      if (sent_i) counter_q[1] <= counter_q[1] + 1'b1;
      if (short_i) counter_q[2] <= counter_q[2] + 1'b1;
      if (long_i) counter_q[3] <= counter_q[3] + 1'b1;
      if (|fault) counter_q[4] <= counter_q[4] + 32'($countones(fault));
      if (busy_i) counter_q[5] <= counter_q[5] + 1'b1;
      if (waiting_i) counter_q[6] <= counter_q[6] + 1'b1;
      if (|clipped_i) counter_q[7] <= counter_q[7] + 32'(clipped_i);
      spikes_q <= Neurons > 0 ? spikes_q + 32'(spiked_i) : '0;
    end
  end

  // Reading.
  always_comb begin
    automatic logic [2:0] index = rd_addr_i[4:2];
    rd_known  = 1'b1;
    rd_data_o = '0;
    case (rd_addr_i)
      ID_OFFSET:         rd_data_o = ID_RESET;
      VERSION_OFFSET:    rd_data_o = VERSION_RESET;
      CONTROL_OFFSET:    rd_data_o = '0;
      STATUS_OFFSET:     rd_data_o = {30'd0, drop_i, busy_i};
      ERROR_OFFSET:      rd_data_o = 32'(error_q);
      TIMEOUT_OFFSET:    rd_data_o = timeout_q;
      PACKET_OFFSET:     rd_data_o = 32'(packet_q);
      BANK_PLACE_OFFSET: rd_data_o = 32'({memory_q, word_q});
      BANK_PART_OFFSET:  rd_data_o = 32'(part_q);
      BANK_HIGH_OFFSET:  rd_data_o = 32'(high_q);
      BANK_DATA_OFFSET:  rd_data_o = '0;
      default: begin
        case (rd_addr_i[11:5])
          StructureBlock, FixedBlock, WeightsBlock: rd_data_o = name;
          CounterBlock:   rd_data_o = counter_q[index];
          MoreCounters:   {rd_known, rd_data_o} = index == '0 ? {1'b1, spikes_q} : '0;
          default:        rd_known  = 1'b0;
        endcase
      end
    endcase
  end
endmodule
