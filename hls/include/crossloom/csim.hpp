// What Python calls in C simulation: runs a core on frames in memory, catches what hls::stream complains about,
// and hands out recorded edges. Never part of a synthesis.
#ifndef CROSSLOOM_CSIM_HPP
#define CROSSLOOM_CSIM_HPP

#include <cstdint>
#include <cstring>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "crossloom/beats.hpp"

#define CROSSLOOM_EXPORT extern "C" __attribute__((visibility("default")))

namespace crossloom {
namespace csim {

// Everything printed while it lives goes to `said`: hls::stream tells in no other way that it was read while empty,
// or destroyed with data left.
class Capture {
  public:
    explicit Capture(std::string& said)
        : said_(said), out_(std::cout.rdbuf(text_.rdbuf())), err_(std::cerr.rdbuf(text_.rdbuf())) {}
    ~Capture() {
        std::cout.rdbuf(out_);
        std::cerr.rdbuf(err_);
        said_ = text_.str();
    }

  private:
    std::string& said_;
    std::ostringstream text_;
    std::streambuf *out_, *err_;
};

// Codes of every traced edge since `clear`, in the order of the stream.
struct Trace {
    std::map<std::string, std::vector<int64_t>> edges;
    void clear() {
        for (auto& edge : edges) edge.second.clear();
    }
    uint64_t copy(const char* name, int64_t* out, uint64_t room) const {
        const auto found = edges.find(name);
        if (found == edges.end()) return 0;
        const uint64_t count = found->second.size();
        if (count) std::memcpy(out, found->second.data(), (count < room ? count : room) * sizeof(int64_t));
        return count;
    }
};

// `count` frames through a core, one after the other, as the core reads and writes them.
template <class Core>
void run(Core core, const uint64_t* frames, uint64_t frame_beats, uint64_t count, uint64_t* results,
         uint64_t result_beats) {
    for (uint64_t n = 0; n < count; n++) {
        hls::stream<beat_t> in("frame"), out("result");
        for (uint64_t i = 0; i < frame_beats; i++) in.write(frames[n * frame_beats + i]);
        core(in, out);
        for (uint64_t i = 0; i < result_beats; i++) results[n * result_beats + i] = out.read().to_uint64();
    }
}

}  // namespace csim
}  // namespace crossloom

// The functions that crossloom.hls.csim.Simulation calls, for the core in namespace NS:
//   NS_run(frames, count, results)   NS_load(beats, count)   NS_calls(counts of kBanks)
//   NS_trace(edge, out, room) -> codes recorded by the last run            NS_said() -> what the last call printed
#define CROSSLOOM_CSIM_COMMON(NS)                                                                                   \
    static std::string NS##_text;                                                                                   \
    CROSSLOOM_EXPORT const char* NS##_said() { return NS##_text.c_str(); }                                          \
    CROSSLOOM_EXPORT void NS##_calls(uint64_t* counts) {                                                            \
        for (unsigned i = 0; i < NS::kBanks; i++) counts[i] = NS::bank_calls[i];                                    \
    }

#define CROSSLOOM_CSIM_RUN(NS)                                                                                      \
    CROSSLOOM_EXPORT void NS##_run(const uint64_t* frames, uint64_t count, uint64_t* results) {                     \
        crossloom::csim::Capture capture(NS##_text);                                                                \
        crossloom::csim::run(NS::run_frame, frames, NS::kFrameBeats, count, results, NS::kResultBeats);             \
    }

#define CROSSLOOM_CSIM_LOAD(NS)                                                                                     \
    CROSSLOOM_EXPORT void NS##_load(const uint64_t* beats, uint64_t count) {                                        \
        crossloom::csim::Capture capture(NS##_text);                                                                \
        hls::stream<beat_t> in("load");                                                                             \
        for (uint64_t i = NS::kIdentityBeats; i < count; i++) in.write(beats[i]);                                                \
        NS::load(in);                                                                                               \
    }

#define CROSSLOOM_CSIM_TRACE(NS)                                                                                    \
    CROSSLOOM_EXPORT uint64_t NS##_trace(const char* edge, int64_t* out, uint64_t room) {                           \
        return NS::trace.copy(edge, out, room);                                                                     \
    }                                                                                                               \
    CROSSLOOM_EXPORT void NS##_trace_clear() { NS::trace.clear(); }

#endif
