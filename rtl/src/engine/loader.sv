// Writes images into the feature memory's two image buffers, a chunk of Lanes codes a cycle, as
// codes less the type's lowest.
//
// s_data_i: codes of one pixel, channel 0 lowest, modulo 2**XBits; a pixel is config_i.chunks + 1
// chunks, pixels in rows. s_status_i (engine_pkg::status_e) and s_more_i, more frames follow in the
// packet, count with a frame's last chunk. image_valid_o: an image waits in the buffer at
// image_base_o; start_i begins it, release_i ends the oldest one, whose status and more are
// status_o and more_o. No chunk is taken while hold_i (somebody else writes).
// Latency: chunk to write 1 cycle. Throughput: a chunk a cycle.
// Model: tests/rtl/engine_interpreter.py. Testbench: tests/rtl/testbench_engine_control.py.
module loader #(
  parameter int unsigned Rows        = 8,
  parameter int unsigned Lanes       = 4,
  parameter int unsigned Ways       = 4,
  parameter int unsigned XBits       = 4,
  parameter int unsigned FeatureBits = 10
) (
  input  logic                        clk_i,
  input  logic                        rst_ni,
  input  program_pkg::config_t        config_i,
  input  logic                        s_valid_i,
  output logic                        s_ready_o,
  input  logic [Lanes-1:0][XBits-1:0] s_data_i,
  input  logic [engine_pkg::STATUS_BITS-1:0] s_status_i,
  input  logic                        s_more_i,
  output logic                        image_valid_o,
  output logic [FeatureBits-1:0]      image_base_o,
  input  logic                        start_i,
  input  logic                        release_i,
  output logic [engine_pkg::STATUS_BITS-1:0] status_o,
  output logic                        more_o,
  input  logic                        hold_i,
  output logic                        we_o,
  output logic [FeatureBits-1:0]      we_addr_o,
  output logic [1:0]                  we_way_o,
  output logic [7:0]                  we_slot_o,
  output logic [Lanes-1:0][XBits-1:0] we_data_o
);
  localparam int unsigned Slots = Rows / Lanes;

  // Buffers: in use from the last chunk to the release, fresh until they are started.
  logic [1:0]             used_q, fresh_q;
  logic [1:0][engine_pkg::STATUS_BITS-1:0] status_q;
  logic [1:0]             more_q;
  logic                   load_q, start_q, release_q;  // whose turn it is
  logic [FeatureBits-1:0] row_q, plane_q;
  logic [12:0]            x_q, y_q;
  logic [11:0]            chunk_q;
  logic [7:0]             slot_q;
  logic                   go, pixel_end, row_end, image_end;

  assign s_ready_o     = ~used_q[load_q] & ~hold_i;
  assign go            = s_valid_i & s_ready_o;
  assign pixel_end     = go & (chunk_q == config_i.chunks);
  assign row_end       = pixel_end & (x_q == config_i.width);
  assign image_end     = row_end & (y_q == config_i.height);
  assign image_valid_o = fresh_q[start_q];
  assign image_base_o  = FeatureBits'(start_q ? config_i.base2 : config_i.base);
  assign status_o      = status_q[release_q];
  assign more_o        = more_q[release_q];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      {used_q, fresh_q}            <= '0;
      {load_q, start_q, release_q} <= '0;
      {x_q, y_q, chunk_q, slot_q}  <= '0;
      {row_q, plane_q}             <= '0;
      we_o                         <= 1'b0;
    end else begin
      we_o <= go;
      if (go) begin
        chunk_q <= pixel_end ? '0 : chunk_q + 1'b1;
        slot_q  <= pixel_end || slot_q == 8'(Slots - 1) ? '0 : slot_q + 1'b1;
        if (pixel_end) plane_q <= '0;
        else if (slot_q == 8'(Slots - 1)) plane_q <= plane_q + FeatureBits'(config_i.plane);
      end
      if (pixel_end) x_q <= row_end ? '0 : x_q + 1'b1;
      if (row_end) begin
        y_q   <= image_end ? '0 : y_q + 1'b1;
        row_q <= image_end ? '0 : row_q + FeatureBits'(config_i.row);
      end
      if (image_end) begin
        used_q[load_q]  <= 1'b1;
        fresh_q[load_q] <= 1'b1;
        load_q          <= ~load_q;
      end
      if (start_i) begin
        fresh_q[start_q] <= 1'b0;
        start_q          <= ~start_q;
      end
      if (release_i) begin
        used_q[release_q] <= 1'b0;
        release_q         <= ~release_q;
      end
    end
    if (image_end) begin
      status_q[load_q] <= s_status_i;
      more_q[load_q]   <= s_more_i;
    end
    if (go) begin
      we_addr_o <= FeatureBits'(load_q ? config_i.base2 : config_i.base) + row_q + plane_q
                 + FeatureBits'(x_q >> $clog2(Ways));
      we_way_o <= 2'(x_q % 13'(Ways));
      we_slot_o <= slot_q;
      for (int unsigned l = 0; l < Lanes; l++) we_data_o[l] <= s_data_i[l] - XBits'(config_i.lo);
    end
  end
endmodule
