// Cuts a stream of fields into pieces of another size: In fields an item come, Out fields an item
// leave, in order, the first field in the lowest bits.
//
// Fields come and leave in runs: the last item of a run holds what is left of it, the rest of it is
// ignored (coming) or 0 (leaving), and a new run starts a new item. Beats to pixels: In = 64 /
// FieldBits, InRun = the codes of a frame, Out = the codes handled at once, OutRun = the channels
// of a pixel. Pixels to beats: the other way round. m_last_o comes with the last item of a run.
// Latency: 1 cycle. Throughput: an item a cycle on the side that has more of them; m_ready_i
// passes through to s_ready_o.
// Model: crossloom.sim.frames.pack and unpack. Testbench: tests/rtl/testbench_engine_streams.py.
module width #(
  parameter  int unsigned FieldBits = 4,
  parameter  int unsigned In        = 16,
  parameter  int unsigned InRun     = 3072,
  parameter  int unsigned Out       = 3,
  parameter  int unsigned OutRun    = 3,
  localparam int unsigned InBits    = In * FieldBits,
  localparam int unsigned OutBits   = Out * FieldBits
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               s_valid_i,
  output logic               s_ready_o,
  input  logic [InBits-1:0]  s_data_i,
  output logic               m_valid_o,
  input  logic               m_ready_i,
  output logic [OutBits-1:0] m_data_o,
  output logic               m_last_o
);
  function automatic int unsigned gcd(input int unsigned a, input int unsigned b);
    int unsigned x, y, rest;
    x = a;
    y = b;
    while (y != 0) begin
      rest = x % y;
      x    = y;
      y    = rest;
    end
    return x;
  endfunction

  if (FieldBits < 1 || In < 1 || Out < 1 || InRun < 1 || OutRun < 1) begin : gen_size
    $error("width: FieldBits %0d, In %0d, InRun %0d, Out %0d, OutRun %0d; at least 1 is needed",
      FieldBits, In, InRun, Out, OutRun);
  end

  // Fields that an item brings or takes, in the middle and at the end of a run. Whatever is in the
  // buffer is a multiple of Unit fields: places to write to are as many fewer.
  localparam int unsigned InItems   = (InRun - 1) / In + 1;
  localparam int unsigned OutItems  = (OutRun - 1) / Out + 1;
  localparam int unsigned InTail    = (InRun - 1) % In + 1;
  localparam int unsigned OutTail   = (OutRun - 1) % Out + 1;
  localparam int unsigned Bring     = InItems > 1 ? In : InTail;
  localparam int unsigned Take      = OutItems > 1 ? Out : OutTail;
  localparam int unsigned Unit      = gcd(gcd(Bring, InTail), gcd(Take, OutTail));
  localparam int unsigned UnitBits  = Unit * FieldBits;
  localparam int unsigned InWide    = InItems > 1 ? $clog2(InItems) : 1;
  localparam int unsigned OutWide   = OutItems > 1 ? $clog2(OutItems) : 1;
  localparam int unsigned Places    = Take / Unit;
  localparam int unsigned Room      = Bring / Unit + Places - 1;
  localparam int unsigned Bits      = Room * UnitBits;
  localparam int unsigned LevelBits = $clog2(Room + 1);

  logic [Bits-1:0]      buffer_q, kept, brought, placed;
  logic [LevelBits-1:0] level_q, level_kept, in_units, out_units;  // Unit fields each
  logic [InWide-1:0]    in_q;
  logic [OutWide-1:0]   out_q;
  logic                 in_end, out_end, push, pop;

  assign in_end     = in_q == InWide'(InItems - 1);
  assign out_end    = out_q == OutWide'(OutItems - 1);
  assign in_units   = in_end ? LevelBits'(InTail / Unit) : LevelBits'(Bring / Unit);
  assign out_units  = out_end ? LevelBits'(OutTail / Unit) : LevelBits'(Take / Unit);
  assign m_valid_o  = level_q >= out_units;
  assign m_last_o   = out_end;
  assign m_data_o   = out_end ? OutBits'(buffer_q[OutTail*FieldBits-1:0])
                    : OutBits'(buffer_q[Take*FieldBits-1:0]);
  assign pop        = m_valid_o & m_ready_i;
  assign level_kept = pop ? level_q - out_units : level_q;
  assign s_ready_o  = level_kept < LevelBits'(Places);
  assign push       = s_valid_i & s_ready_o;

  // Bits above the level are 0, so that what comes can be ORed in, at one of few places.
  assign kept = ~pop ? buffer_q
              : out_end ? buffer_q >> (OutTail * FieldBits) : buffer_q >> (Take * FieldBits);
  assign brought = in_end ? Bits'(s_data_i[InTail*FieldBits-1:0])
                 : Bits'(s_data_i[Bring*FieldBits-1:0]);
  always_comb begin
    placed = '0;
    for (int unsigned u = 0; u < Places; u++) begin
      placed |= (brought << (u * UnitBits)) & {Bits{push & (level_kept == LevelBits'(u))}};
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      level_q  <= '0;
      buffer_q <= '0;
      in_q     <= '0;
      out_q    <= '0;
    end else begin
      level_q  <= level_kept + (push ? in_units : '0);
      buffer_q <= kept | placed;
      if (push) in_q <= in_end ? '0 : in_q + 1'b1;
      if (pop) out_q <= out_end ? '0 : out_q + 1'b1;
    end
  end

  if (Bring < In) begin : gen_unused
    logic unused;
    assign unused = ^s_data_i[InBits-1:Bring*FieldBits];
  end

`ifndef SYNTHESIS
  stream_check #(.Bits(OutBits + 1)) u_check (
    .clk_i, .rst_ni, .valid_i(m_valid_o), .ready_i(m_ready_i),
    .data_i({m_last_o, m_data_o})
  );
`endif
endmodule
