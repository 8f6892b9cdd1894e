// The 64-bit beats that a core reads and writes; formats and sizes are those of crossloom.sim.frames.
#ifndef CROSSLOOM_BEATS_HPP
#define CROSSLOOM_BEATS_HPP

#include "ap_int.h"
#include "hls_stream.h"

typedef ap_uint<64> beat_t;

#endif
