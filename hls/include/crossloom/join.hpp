// Add, Concat and fork: where streams meet and part.
#ifndef CROSSLOOM_JOIN_HPP
#define CROSSLOOM_JOIN_HPP

#include "crossloom/types.hpp"

namespace crossloom {

// acc = (a << a_shift) + (b << b_shift): aligned by exact left shifts. C::out_lanes divide both operands' lanes.
template <class C>
void add(hls::stream<Pack<typename C::a_t, C::a_lanes> >& a, hls::stream<Pack<typename C::b_t, C::b_lanes> >& b,
         hls::stream<Pack<typename C::out_t, C::out_lanes> >& out) {
    Pack<typename C::a_t, C::a_lanes> x;
    Pack<typename C::b_t, C::b_lanes> y;
    unsigned a_lane = 0, b_lane = 0;
Element:
    for (unsigned n = 0; n < C::size; n += C::out_lanes) {
#pragma HLS PIPELINE II = 1  // one element a cycle
        if (a_lane == 0) x = a.read();
        if (b_lane == 0) y = b.read();
        Pack<typename C::out_t, C::out_lanes> sum;
    Lane:
        for (unsigned l = 0; l < C::out_lanes; l++) {
#pragma HLS UNROLL
            const typename C::out_t p = x.code[a_lane + l], q = y.code[b_lane + l];
            sum.code[l] = (p << C::a_shift) + (q << C::b_shift);
        }
        out.write(sum);
        a_lane = a_lane + C::out_lanes == C::a_lanes ? 0 : a_lane + C::out_lanes;
        b_lane = b_lane + C::out_lanes == C::b_lanes ? 0 : b_lane + C::out_lanes;
    }
}

// The channels of one pixel, regrouped: reads COUNT / IN_LANES elements, writes COUNT / OUT_LANES.
template <unsigned COUNT, class T, unsigned IN_LANES, class U, unsigned OUT_LANES>
void pass(hls::stream<Pack<T, IN_LANES> >& in, hls::stream<Pack<U, OUT_LANES> >& out) {
    Pack<T, IN_LANES> x;
    unsigned lane = 0;
Element:
    for (unsigned n = 0; n < COUNT; n += OUT_LANES) {
#pragma HLS PIPELINE II = 1  // one element a cycle
        if (lane == 0) x = in.read();
        Pack<U, OUT_LANES> y;
    Lane:
        for (unsigned l = 0; l < OUT_LANES; l++) {
#pragma HLS UNROLL
            y.code[l] = x.code[lane + l];
        }
        out.write(y);
        lane = lane + OUT_LANES == IN_LANES ? 0 : lane + OUT_LANES;
    }
}

// y = the inputs side by side along the channels: a's, then b's. C::out_lanes divide both operands' lanes.
template <class C>
void concat(hls::stream<Pack<typename C::a_t, C::a_lanes> >& a, hls::stream<Pack<typename C::b_t, C::b_lanes> >& b,
            hls::stream<Pack<typename C::out_t, C::out_lanes> >& out) {
Pixel:
    for (unsigned n = 0; n < C::pixels; n++) {
        pass<C::a_channels>(a, out);
        pass<C::b_channels>(b, out);
    }
}

template <class E>
void write_all(const E&) {}
template <class E, class First, class... Rest>
void write_all(const E& element, First& first, Rest&... rest) {
#pragma HLS INLINE  // one write to each stream in the same cycle
    first.write(element);
    write_all(element, rest...);
}

// COUNT elements to every reader.
template <unsigned COUNT, class E, class... Readers>
void fork(hls::stream<E>& in, Readers&... readers) {
Element:
    for (unsigned n = 0; n < COUNT; n++) {
#pragma HLS PIPELINE II = 1  // one element a cycle
        write_all(in.read(), readers...);
    }
}

}  // namespace crossloom

#endif
