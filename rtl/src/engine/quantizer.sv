// Turns captured sums into codes or scores, each with its place: drain, parameters and post.
//
//   codes   y = Requant, Threshold or maximum, for chunk slot_o of word addr_o of way way_o
//   scores  raw_o, for chunk chunk_o
// bank_*: what engine says about it; bank_i are the offsets of the branch that runs.
// Latency: capture to the first code 7 cycles, 9 where there are Neurons; thresholds `steps` + 1
// more.
// Throughput: Lanes codes a cycle, or in `steps` cycles.
// Model: tests/rtl/engine_interpreter.py. Testbench: tests/rtl/testbench_engine_program.py.
module quantizer #(
  parameter  int unsigned Rows      = 8,
  parameter  int unsigned Cols      = 8,
  parameter  int unsigned Pix       = 2,
  parameter  int unsigned Lanes     = 4,
  parameter  int unsigned XBits     = 4,
  parameter  int unsigned WBits     = 4,
  parameter  int unsigned AccBits   = 20,
  parameter  int unsigned CodeBits  = 5,
  parameter  int          ShiftMin  = 0,
  parameter  int          ShiftMax  = 12,
  parameter  int unsigned Features  = 256,
  parameter  int unsigned Params    = 64,
  parameter  int unsigned Tables    = 0,
  parameter  int unsigned Steps     = 0,
  parameter  int unsigned ScaleBits = 1,
  parameter  bit          Timed     = 1'b0, // edges of several time steps
  parameter  int unsigned Neurons   = 0,   // words of thresholds and leaks, 0 without neurons
  parameter  int unsigned MemBits   = 2,   // membranes, and the least of any layer
  parameter  int unsigned MemMin    = 2,
  parameter  int unsigned GuardMin  = 0,
  parameter  int unsigned GuardMax  = 0,
  parameter  int unsigned LeakMin   = 0,
  parameter  int unsigned LeakMax   = 0,
  parameter  int unsigned Most      = 1,   // spikes of a step
  parameter  bit          Later     = 1'b0, // resets a step later
  parameter  int unsigned Sweeps    = 32,
  parameter               Init      = "",
  localparam int unsigned FeatureBits = Features > 1 ? $clog2(Features) : 1,
  localparam int unsigned IndexBits   = Sweeps > 1 ? $clog2(Sweeps) : 1,
  localparam int unsigned ClipBits    = $clog2(Lanes + 1) + (Neurons > 0 ? 1 : 0),
  localparam int unsigned SpikeBits   = $clog2(Lanes * Most + 1)
) (
  input  logic                                  clk_i,
  input  logic                                  rst_ni,
  input  logic                                  acc_capture_i,
  input  logic [Pix-1:0][Cols-1:0][AccBits-1:0] acc_i,
  input  logic [Pix-1:0][AccBits-1:0]           total_i,
  input  logic                                  pool_capture_i,
  input  logic [Pix-1:0][Rows-1:0][XBits-1:0]   pool_i,
  input  program_pkg::bank_t                    bank_i,
  input  logic                                  bank_we_i,
  input  logic [program_pkg::MEMORY_BITS-1:0]   bank_memory_i,
  input  logic [19:0]                           bank_addr_i,
  input  logic [15:0]                           bank_part_i,
  input  logic [35:0]                           bank_data_i,
  output program_pkg::drain_t                   drain_o,
  output logic [IndexBits-1:0]                  index_o,
  output logic                                  done_o,       // the sweep is written
  output logic                                  code_soon_o,  // code_valid_o in the next cycle
  output logic                                  code_valid_o,
  output logic                                  score_valid_o,
  output logic [FeatureBits-1:0]                addr_o,
  output logic [1:0]                            way_o,
  output logic [7:0]                            slot_o,
  output logic [7:0]                            chunk_o,
  output logic [12:0]                           y_o,
  output logic [12:0]                           x_o,
  output logic [11:0]                           time_o,
  output logic [Lanes-1:0][XBits-1:0]           code_o,
  output logic [Lanes-1:0][AccBits-1:0]         raw_o,
  output logic [Lanes-1:0][AccBits-1:0]         acc_o,
  output logic [Lanes-1:0][MemBits-1:0]         membrane_o,
  output logic [ClipBits-1:0]                   clipped_o,
  output logic [SpikeBits-1:0]                  spiked_o
);
  localparam int unsigned ParamBits  = Params > 1 ? $clog2(Params) : 1;
  localparam int unsigned TableBits  = Tables > 1 ? $clog2(Tables) : 1;
  localparam int unsigned LaneBits   = Lanes > 1 ? $clog2(Lanes) : 1;
  localparam int unsigned ParamWide  = AccBits + 7;
  localparam int unsigned ParamParts = (Lanes * ParamWide + 35) / 36;
  localparam int unsigned ParamPart  = ParamParts > 1 ? $clog2(ParamParts) : 1;
  localparam int unsigned PlaceBits  = FeatureBits + 2 + 8 + 8 + 26 + 12 + 1;
  localparam int unsigned NeuronBits = Neurons > 1 ? $clog2(Neurons) : 1;
  localparam int unsigned NeuronWide = MemBits + 4;
  localparam int unsigned NeuronParts = (Lanes * NeuronWide + 35) / 36;
  localparam int unsigned NeuronPart = NeuronParts > 1 ? $clog2(NeuronParts) : 1;
  localparam int unsigned CellBits   = (Cols > Lanes ? $clog2(Cols / Lanes) : 1)
                                     + (Pix > 1 ? 1 : 0);

  logic [ParamBits-1:0]            param_addr;
  logic [Lanes-1:0][ParamWide-1:0] params;
  logic [Lanes-1:0][AccBits-1:0]   sum, bias;
  logic [Lanes-1:0][6:0]           shift;
  logic [Lanes-1:0][XBits-1:0]     maxima;
  logic [TableBits-1:0]            table_addr;
  logic [PlaceBits-1:0]            place;
  logic                            valid, last, fresh;
  logic [NeuronBits-1:0]           neuron_addr;
  logic [Lanes-1:0][MemBits-1:0]   theta;
  logic [Lanes-1:0][3:0]           leak;
  logic [CellBits-1:0]             cell_addr;
  logic [35:0]                     half_q;

  drain #(
    .Rows(Rows), .Cols(Cols), .Pix(Pix), .Lanes(Lanes), .XBits(XBits), .WBits(WBits),
    .AccBits(AccBits), .FeatureBits(FeatureBits), .ParamBits(ParamBits), .TableBits(TableBits),
    .NeuronBits(NeuronBits), .Timed(Timed), .Sweeps(Sweeps), .Init(Init)
  ) u_drain (
    .clk_i, .rst_ni, .acc_capture_i, .acc_i, .total_i, .pool_capture_i, .pool_i,
    .branch_params_i(ParamBits'(bank_i.params)), .branch_tables_i(TableBits'(bank_i.tables)),
    .branch_neurons_i(NeuronBits'(bank_i.neurons)), .done_i(done_o), .param_o(param_addr),
    .neuron_o(neuron_addr), .cell_o(cell_addr), .fresh_o(fresh), .drain_o, .index_o,
    .valid_o(valid), .sum_o(sum),
    .code_o(maxima), .table_o(table_addr), .addr_o(place[PlaceBits-1 -: FeatureBits]),
    .way_o(place[56:55]), .slot_o(place[54:47]), .chunk_o(place[46:39]), .y_o(place[38:26]),
    .x_o(place[25:13]), .time_o(place[12:1]), .last_o(place[0])
  );

  wide_memory #(
    .Bits(Lanes * ParamWide), .Words(Params), .Init(Init), .File("params.mem")
  ) u_params (
    .clk_i, .addr_i(param_addr), .data_o(params),
    .we_i(bank_we_i & (bank_memory_i == program_pkg::MEMORY_PARAMS)),
    .we_addr_i(ParamBits'(bank_addr_i)), .we_part_i(ParamPart'(bank_part_i)),
    .we_data_i(bank_data_i)
  );
  for (genvar l = 0; l < Lanes; l++) begin : gen_param
    assign {shift[l], bias[l]} = params[l];
  end

  if (Neurons > 0) begin : gen_neurons
    logic [Lanes-1:0][NeuronWide-1:0] neurons;
    wide_memory #(
      .Bits(Lanes * NeuronWide), .Words(Neurons), .Init(Init), .File("neurons.mem")
    ) u_neurons (
      .clk_i, .addr_i(neuron_addr), .data_o(neurons),
      .we_i(bank_we_i & (bank_memory_i == program_pkg::MEMORY_NEURONS)),
      .we_addr_i(NeuronBits'(bank_addr_i)), .we_part_i(NeuronPart'(bank_part_i)),
      .we_data_i(bank_data_i)
    );
    for (genvar l = 0; l < Lanes; l++) begin : gen_neuron
      assign {leak[l], theta[l]} = neurons[l];
    end
  end else begin : gen_no_neurons
    assign {leak, theta} = '0;
    logic unused;
    assign unused = ^neuron_addr;
  end

  // A threshold is written in two parts: its low bits wait for the others.
  always_ff @(posedge clk_i) if (bank_we_i & ~bank_part_i[0]) half_q <= bank_data_i;

  post #(
    .Lanes(Lanes), .XBits(XBits), .AccBits(AccBits), .CodeBits(CodeBits), .ShiftMin(ShiftMin),
    .ShiftMax(ShiftMax), .Tables(Tables), .Steps(Steps), .ScaleBits(ScaleBits),
    .Neurons(Neurons), .MemBits(MemBits), .MemMin(MemMin), .GuardMin(GuardMin),
    .GuardMax(GuardMax), .LeakMin(LeakMin), .LeakMax(LeakMax), .Most(Most), .Later(Later),
    .Cells(2 ** CellBits), .PlaceBits(PlaceBits), .Init(Init == "" ? "" : {Init, "tables"})
  ) u_post (
    .clk_i, .rst_ni, .drain_i(drain_o), .valid_i(valid), .place_i(place), .sum_i(sum),
    .bias_i(bias), .shift_i(shift), .code_i(maxima), .table_i(table_addr),
    .theta_i(theta), .leak_i(leak), .cell_i(cell_addr), .fresh_i(fresh),
    .wr_valid_i(bank_we_i & (bank_memory_i == program_pkg::MEMORY_TABLES) & bank_part_i[0]),
    .wr_lane_i(LaneBits'(bank_part_i >> 1)), .wr_addr_i(TableBits'(bank_addr_i)),
    .wr_data_i((AccBits+1)'({bank_data_i, half_q})), .code_soon_o, .code_valid_o, .score_valid_o,
    .place_o({addr_o, way_o, slot_o, chunk_o, y_o, x_o, time_o, last}), .code_o, .raw_o,
    .acc_o, .membrane_o, .clipped_o, .spiked_o
  );
  assign done_o = (code_valid_o | score_valid_o) & last;
endmodule
