// The engine with the port names of streams, for simulation alone.
//
// See engine. Testbench: tests/rtl/test_engine_networks.py.
module engine_sim #(
  parameter  int unsigned Rows      = 8,
  parameter  int unsigned Cols      = 8,
  parameter  int unsigned Pix       = 2,
  parameter  int unsigned Lanes     = 4,
  parameter  int unsigned Dsp       = 0,
  parameter  int unsigned XBits     = 4,
  parameter  int unsigned WBits     = 4,
  parameter  int unsigned AccBits   = 20,
  parameter  int unsigned CodeBits  = 5,
  parameter  int          ShiftMin  = 0,
  parameter  int          ShiftMax  = 12,
  parameter  int unsigned Features  = 256,
  parameter  int unsigned Weights   = 256,
  parameter  int unsigned Params    = 64,
  parameter  int unsigned Tables    = 0,
  parameter  int unsigned Steps     = 0,
  parameter  int unsigned ScaleBits = 1,
  parameter  int unsigned Results   = 4,
  parameter  int unsigned Sweeps    = 32,
  parameter  int unsigned Segments  = 32,
  parameter  int unsigned Branches  = 1,
  parameter  bit          Doubling  = 1'b0,
  parameter  bit          Timed     = 1'b0,  // edges of several time steps
  parameter  int unsigned Neurons   = 0,    // words of thresholds and leaks, 0 without neurons
  parameter  int unsigned MemBits   = 2,    // membranes, and the least of any layer
  parameter  int unsigned MemMin    = 2,
  parameter  int unsigned GuardMin  = 0,
  parameter  int unsigned GuardMax  = 0,
  parameter  int unsigned LeakMin   = 0,
  parameter  int unsigned LeakMax   = 0,
  parameter  int unsigned Most      = 1,    // spikes of a step
  parameter  bit          Later     = 1'b0, // resets a step later
  parameter  int unsigned Unroll      = 0,
  localparam int unsigned IndexBits = Sweeps > 1 ? $clog2(Sweeps) : 1,
  localparam int unsigned ClipBits  = $clog2(Lanes + 1) + (Neurons > 0 ? 1 : 0),
  localparam int unsigned SpikeBits = $clog2(Lanes * Most + 1)
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     s_valid,
  output logic                     s_ready,
  input  logic [Lanes*XBits-1:0]   s_data,
  input  logic                     s_last,
  input  logic [engine_pkg::STATUS_BITS-1:0] status_i,
  output logic                     m_valid,
  input  logic                     m_ready,
  output logic [63:0]              m_data,
  output logic                     m_last,
  input  logic                     bank_we_i,
  input  logic [program_pkg::MEMORY_BITS-1:0] bank_memory_i,
  input  logic [19:0]              bank_addr_i,
  input  logic [15:0]              bank_part_i,
  input  logic [35:0]              bank_data_i,
  output logic                     idle_o,
  output logic                     image_o,
  output logic [ClipBits-1:0]      clipped_o,
  output logic [SpikeBits-1:0]     spiked_o,
  output logic                     tap_valid_o,
  output logic [IndexBits-1:0]     tap_sweep_o,
  output logic                     trace_valid_o,
  output logic [IndexBits-1:0]     trace_sweep_o,
  output logic [7:0]               trace_chunk_o,
  output logic [12:0]              trace_y_o,
  output logic [12:0]              trace_x_o,
  output logic [11:0]              trace_time_o,
  output logic [Lanes*AccBits-1:0] trace_raw_o,
  output logic [Lanes*MemBits-1:0] trace_membrane_o,
  output logic [Lanes*XBits-1:0]   trace_code_o
);
  engine #(
    .Rows(Rows), .Cols(Cols), .Pix(Pix), .Lanes(Lanes), .Dsp(Dsp), .XBits(XBits), .WBits(WBits),
    .AccBits(AccBits), .CodeBits(CodeBits), .ShiftMin(ShiftMin), .ShiftMax(ShiftMax),
    .Features(Features), .Weights(Weights), .Params(Params), .Tables(Tables), .Steps(Steps),
    .ScaleBits(ScaleBits), .Results(Results), .Sweeps(Sweeps), .Segments(Segments),
    .Branches(Branches), .Doubling(Doubling), .Timed(Timed),
    .Neurons(Neurons), .MemBits(MemBits), .MemMin(MemMin), .GuardMin(GuardMin),
    .GuardMax(GuardMax), .LeakMin(LeakMin), .LeakMax(LeakMax), .Most(Most), .Later(Later),
    .Unroll(Unroll)
  ) u_engine (
    .clk_i, .rst_ni, .s_valid_i(s_valid), .s_ready_o(s_ready), .s_data_i(s_data),
    .s_status_i(status_i), .s_more_i(1'b0), .m_more_o(), .m_valid_o(m_valid), .m_ready_i(m_ready), .m_data_o(m_data),
    .m_last_o(m_last), .bank_we_i, .bank_memory_i, .bank_addr_i, .bank_part_i, .bank_data_i,
    .idle_o, .image_o, .clipped_o, .spiked_o, .tap_valid_o, .tap_sweep_o, .trace_valid_o, .trace_sweep_o,
    .trace_chunk_o, .trace_y_o, .trace_x_o, .trace_time_o, .trace_raw_o, .trace_membrane_o,
    .trace_code_o
  );
  logic unused;
  assign unused = s_last;
endmodule
