// The functions of csim.hpp that go through the top function instead of into the core: packets, registers, TLAST.
#ifndef CROSSLOOM_CSIM_TOP_HPP
#define CROSSLOOM_CSIM_TOP_HPP

#include <algorithm>

#include "crossloom/csim.hpp"
#include "top.hpp"

namespace crossloom {
namespace csim {

// A host's view of the core: its registers, and packets there and back.
struct Host {
    reg32_t status = 0, loaded = 0, done = 0, short_frames = 0, long_frames = 0;
    reg32_t identities[kIdentityWords];

    // One command with `beats` beats sent before it; returns the beats that came back, at most `room` of them copied.
    uint64_t call(uint32_t command, uint32_t frames, const uint64_t* data, const uint8_t* keep, const uint8_t* last,
                  uint64_t beats, uint64_t* out, uint8_t* out_last, uint64_t room) {
        hls::stream<axis_t> in("s_axis"), from("m_axis");
        for (uint64_t i = 0; i < beats; i++) {
            axis_t beat;
            beat.data = data[i];
            beat.keep = keep[i];
            beat.strb = keep[i];
            beat.last = last[i];
            in.write(beat);
        }
        crossloom_top(in, from, command, frames, status, loaded, done, short_frames, long_frames, identities);
        uint64_t count = 0;
        for (; !from.empty(); count++) {
            const axis_t beat = from.read();
            if (beat.keep != 0xff) std::cout << "m_axis: bytes missing by TKEEP" << std::endl;
            if (count < room) {
                out[count] = beat.data.to_uint64();
                out_last[count] = beat.last.to_uint();
            }
        }
        return count;
    }

    // Whole frames in one run; complains unless as many whole results come back.
    void run(const uint64_t* frames, uint64_t frame_beats, uint64_t count, uint64_t* results, uint64_t result_beats) {
        const uint64_t at_once = 64;  // bounds what the streams hold
        std::vector<uint8_t> keep(at_once * frame_beats, 0xff), last(at_once * frame_beats, 0);
        std::vector<uint8_t> ends(at_once * result_beats);
        for (uint64_t i = frame_beats - 1; i < last.size(); i += frame_beats) last[i] = 1;
        for (uint64_t first = 0; first < count; first += at_once) {
            const uint64_t now = std::min(at_once, count - first), wanted = now * result_beats;
            const uint64_t came = call(kRun, now, frames + first * frame_beats, keep.data(), last.data(),
                                       now * frame_beats, results + first * result_beats, ends.data(), wanted);
            bool whole = came == wanted;
            for (uint64_t i = 0; i < wanted; i++) whole &= ends[i] == ((i + 1) % result_beats == 0);
            if (!whole) std::cout << "m_axis: results of another length" << std::endl;
        }
    }

    void load(const uint64_t* beats, uint64_t count) {
        std::vector<uint8_t> keep(count, 0xff), last(count, 0);
        last[count - 1] = 1;
        call(kLoad, 0, beats, keep.data(), last.data(), count, nullptr, nullptr, 0);
        if (status != kOk || loaded != 1) std::cout << "load: status " << status.to_uint() << std::endl;
    }
};

}  // namespace csim
}  // namespace crossloom

// NS_serve(command, frames, sent, returned, registers) gives any packets and reads all registers: for tests of faults.
#define CROSSLOOM_CSIM_TOP(NS)                                                                                        \
    static crossloom::csim::Host NS##_host;                                                                           \
    CROSSLOOM_EXPORT void NS##_run(const uint64_t* frames, uint64_t count, uint64_t* results) {                       \
        crossloom::csim::Capture capture(NS##_text);                                                                  \
        NS##_host.run(frames, NS::kFrameBeats, count, results, NS::kResultBeats);                                     \
    }                                                                                                                 \
    CROSSLOOM_EXPORT uint64_t NS##_serve(uint32_t command, uint32_t frames, const uint64_t* data, const uint8_t* keep, \
                                         const uint8_t* last, uint64_t beats, uint64_t* out, uint8_t* out_last,       \
                                         uint64_t room, uint32_t* registers) {                                        \
        crossloom::csim::Capture capture(NS##_text);                                                                  \
        crossloom::csim::Host& host = NS##_host;                                                                      \
        const uint64_t came = host.call(command, frames, data, keep, last, beats, out, out_last, room);               \
        const crossloom::reg32_t counters[] = {host.status, host.loaded, host.done, host.short_frames,             \
                                                  host.long_frames};                                                  \
        for (const crossloom::reg32_t& value : counters) *registers++ = value.to_uint();                           \
        for (const crossloom::reg32_t& value : host.identities) *registers++ = value.to_uint();                    \
        return came;                                                                                                  \
    }

#define CROSSLOOM_CSIM_TOP_LOAD(NS)                                                                                   \
    CROSSLOOM_EXPORT void NS##_load(const uint64_t* beats, uint64_t count) {                                          \
        crossloom::csim::Capture capture(NS##_text);                                                                  \
        NS##_host.load(beats, count);                                                                                 \
    }

#endif
