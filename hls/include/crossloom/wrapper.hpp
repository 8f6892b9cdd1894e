// The board's side of a core: frames and loads on AXI4-Stream with TLAST, faults that never hang or stay.
//
// A generated top.cpp includes core.hpp, protocol.hpp (numbers from crossloom.sim.frames) and this, names the core in
//     struct Core {
//         static const unsigned kFrameBeats, kResultBeats, kLoadBeats;   // kLoadBeats 0: nothing can be loaded
//         static void run_frame(hls::stream<beat_t>& in, hls::stream<beat_t>& out);
//         static void load(hls::stream<beat_t>& in);                     // kLoadBeats - kIdentityBeats beats
//         static beat_t structure(unsigned i), fixed(unsigned i), weights(unsigned i);   // SHA-256, low beats first
//     };
// and calls serve<Core> from the top function, which has the interface pragmas.
//
//   short frame (TLAST early, or bytes missing by TKEEP)  the rest is zeros; result with status SHORT
//   long frame (TLAST late)                               dropped up to its TLAST; result with status LONG
//   load of another size, or of a core without banks      dropped up to its TLAST; FOREIGN; banks count as not loaded
//   frame while banks are not loaded                      result with status FOREIGN
//   command that is not there                             status FOREIGN; no beat is taken
// A result is always whole and ends in TLAST; the frame after a faulty one is exact.
#ifndef CROSSLOOM_WRAPPER_HPP
#define CROSSLOOM_WRAPPER_HPP

#include "crossloom/beats.hpp"
#include "protocol.hpp"

#if __has_include(<ap_axi_sdata.h>)
#include <ap_axi_sdata.h>
namespace crossloom {
typedef ap_axiu<64, 0, 0, 0> axis_t;
}
#else
namespace crossloom {
// The fields of Vitis HLS' ap_axiu<64, 0, 0, 0>, for compilers without its headers.
struct axis_t {
    ap_uint<64> data;
    ap_uint<8> keep;
    ap_uint<8> strb;
    ap_uint<1> last;
};
}  // namespace crossloom
#endif

namespace crossloom {

typedef ap_uint<32> reg32_t;
typedef ap_uint<8> status_t;

const unsigned kIdentityWords = 3 * kIdentityBeats * kBeatBits / 32;  // structure, fixed, weights

// Drop beats up to and with TLAST.
inline void drain(hls::stream<axis_t>& in) {
#pragma HLS INLINE
    bool last = false;
beats_of_a_tail:
    while (!last) {
#pragma HLS PIPELINE II=1
#pragma HLS LOOP_TRIPCOUNT min=0 max=0  // a frame of the right length has no tail
#ifndef __SYNTHESIS__
        if (in.empty()) return;  // hardware waits for TLAST; C simulation has nobody to wait for
#endif
        last = in.read().last;
    }
}

// Exactly Beats beats from a packet of any length, and how it went.
template <unsigned Beats>
void receive(hls::stream<axis_t>& in, hls::stream<beat_t>& beats, hls::stream<status_t>& statuses) {
    bool last = false;
    status_t status = kOk;
beats_of_a_packet:
    for (unsigned i = 0; i < Beats; i++) {
#pragma HLS PIPELINE II=1  // a beat a cycle, what the DMA sends
        beat_t data = 0;
        if (!last) {
            const axis_t beat = in.read();
            data = beat.data;
            last = beat.last;
            if (!beat.keep.and_reduce() || (last && i + 1 < Beats)) status = kShort;
        }
        beats.write(data);
    }
    if (!last) {
        status = kLong;
        drain(in);
    }
    statuses.write(status);
}

// A result with its status in the header; counts, and the first status of a run that was not OK.
template <typename Core>
void send(hls::stream<beat_t>& results, hls::stream<status_t>& statuses, unsigned frame, bool loaded,
          hls::stream<axis_t>& out, reg32_t& status, reg32_t& done, reg32_t& short_frames,
          reg32_t& long_frames) {
    static reg32_t all = 0, shorts = 0, longs = 0;
    static status_t fault = kOk;
    status_t own = statuses.read();
    all++;
    if (own == kShort) shorts++;
    if (own == kLong) longs++;
    if (own == kOk && !loaded) own = kForeign;
    if (frame == 0 || fault == kOk) fault = own;
beats_of_a_result:
    for (unsigned i = 0; i < Core::kResultBeats; i++) {
#pragma HLS PIPELINE II=1  // a beat a cycle, what the DMA takes
        axis_t beat;
        beat.data = results.read();
        if (i == 0) beat.data |= beat_t(own) << kStatusLow;
        beat.keep = -1;
        beat.strb = -1;
        beat.last = i + 1 == Core::kResultBeats;
        out.write(beat);
    }
    status = fault;
    done = all;
    short_frames = shorts;
    long_frames = longs;
}

template <typename Core>
void run_frames(hls::stream<axis_t>& in, hls::stream<axis_t>& out, unsigned frames, bool loaded, reg32_t& status,
                reg32_t& done, reg32_t& short_frames, reg32_t& long_frames) {
#pragma HLS INLINE off
frames_of_a_run:
    for (unsigned i = 0; i < frames; i++) {
#pragma HLS LOOP_TRIPCOUNT min=1 max=1  // reports are of one frame
#pragma HLS DATAFLOW  // the next frame comes in while this one is computed
        hls::stream<beat_t> beats("beats");
        hls::stream<beat_t> results("results");
        hls::stream<status_t> statuses("statuses");
#pragma HLS STREAM variable=beats depth=16  // a burst of the DMA
        // A whole result waits here while a long frame is dropped: the core itself never stops for one.
#pragma HLS STREAM variable=results depth=Core::kResultBeats
#pragma HLS STREAM variable=statuses depth=2
        receive<Core::kFrameBeats>(in, beats, statuses);
        Core::run_frame(beats, results);
        send<Core>(results, statuses, i, loaded, out, status, done, short_frames, long_frames);
    }
}

// The identity at the head of a load, and the beats of the tensors.
template <typename Core>
void split_load(hls::stream<beat_t>& beats, beat_t identity[kIdentityBeats], hls::stream<beat_t>& tensors) {
beats_of_a_load:
    for (unsigned i = 0; i < Core::kLoadBeats; i++) {
#pragma HLS PIPELINE II=1  // a beat a cycle, what the DMA sends
        const beat_t beat = beats.read();
        if (i < kIdentityBeats)
            identity[i] = beat;
        else
            tensors.write(beat);
    }
}

inline void take_status(hls::stream<status_t>& statuses, status_t& status) { status = statuses.read(); }

template <typename Core, bool HasBanks>
struct Loader {
    static void load(hls::stream<axis_t>& in, beat_t identity[kIdentityBeats], status_t& status) {
#pragma HLS INLINE off
#pragma HLS DATAFLOW  // tensors are written while the load still comes
        hls::stream<beat_t> beats("load_beats");
        hls::stream<beat_t> tensors("load_tensors");
        hls::stream<status_t> statuses("load_statuses");
#pragma HLS STREAM variable=beats depth=16
#pragma HLS STREAM variable=tensors depth=16
#pragma HLS STREAM variable=statuses depth=2
        receive<Core::kLoadBeats>(in, beats, statuses);
        split_load<Core>(beats, identity, tensors);
        Core::load(tensors);
        take_status(statuses, status);
    }
};

template <typename Core>
struct Loader<Core, false> {
    static void load(hls::stream<axis_t>& in, beat_t*, status_t& status) {
        drain(in);
        status = kForeign;
    }
};

// One command: `frames` frames (0: only the registers are written), or one load.
template <typename Core>
void serve(hls::stream<axis_t>& in, hls::stream<axis_t>& out, reg32_t command, reg32_t frames,
           reg32_t& status, reg32_t& loaded, reg32_t& done, reg32_t& short_frames,
           reg32_t& long_frames, reg32_t identities[kIdentityWords]) {
#pragma HLS INLINE
    const bool has_banks = Core::kLoadBeats != 0;
    // As the banks themselves: set when the device is configured, kept over a reset.
    static bool banks_loaded = true, banks_rewritten = false;
    static beat_t rewritten[kIdentityBeats];

    if (command == kRun) {
        if (frames == 0)
            status = kOk;
        else
            run_frames<Core>(in, out, frames, banks_loaded, status, done, short_frames, long_frames);
    } else if (command == kLoad) {
        status_t went;
        Loader<Core, has_banks>::load(in, rewritten, went);
        if (has_banks) {
            banks_loaded = went == kOk;
            banks_rewritten = true;
        }
        status = went == kOk ? kOk : kForeign;
    } else {
        status = kForeign;
    }
    loaded = banks_loaded;
identity_beats:
    for (unsigned i = 0; i < 3 * kIdentityBeats; i++) {
        const unsigned part = i / kIdentityBeats, at = i % kIdentityBeats;
        beat_t beat = part == 0 ? Core::structure(at) : part == 1 ? Core::fixed(at) : Core::weights(at);
        if (part == 2 && banks_rewritten) beat = banks_loaded ? rewritten[at] : beat_t(0);
        identities[2 * i] = beat(31, 0);
        identities[2 * i + 1] = beat(63, 32);
    }
}

}  // namespace crossloom

#endif
