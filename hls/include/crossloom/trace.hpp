// Recording of every edge in C simulation, where CROSSLOOM_TRACE asks for it; nothing otherwise.
#ifndef CROSSLOOM_TRACE_HPP
#define CROSSLOOM_TRACE_HPP

#if defined(CROSSLOOM_TRACE) && !defined(__SYNTHESIS__)
#include "crossloom/csim.hpp"
#include "crossloom/types.hpp"

namespace crossloom {
// Appends what a stream holds now, and leaves it there.
template <class T, unsigned LANES>
void record(std::vector<int64_t>& codes, hls::stream<Pack<T, LANES> >& stream) {
    for (size_t n = stream.size(); n > 0; n--) {
        const Pack<T, LANES> element = stream.read();
        for (unsigned l = 0; l < LANES; l++) codes.push_back(element.code[l].to_int64());
        stream.write(element);
    }
}
}  // namespace crossloom
#define CROSSLOOM_EDGE(name, stream) crossloom::record(trace.edges[name], stream);
#else
#define CROSSLOOM_EDGE(name, stream)
#endif

#endif
