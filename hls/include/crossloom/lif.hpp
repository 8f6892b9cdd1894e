// LIF, which keeps membranes from step to step, and Count, Last and First, which end time.
#ifndef CROSSLOOM_LIF_HPP
#define CROSSLOOM_LIF_HPP

#include "crossloom/types.hpp"

namespace crossloom {

enum Reset { SUBTRACT, ZERO, NONE };

// How many spikes a membrane makes: 1 where it is at theta, with C::strict above it, or as many whole thresholds as fit.
template <class C, class V, class T>
unsigned spikes_of(V v, T theta) {
    if (C::most == 1) return C::strict ? v > theta : v >= theta;
    typedef typename Held<ap_int<C::wide_bits> >::type wide_t;
    unsigned number = 0;
Search:
    for (unsigned bit = C::most_bits; bit > 0; bit--) {
#pragma HLS UNROLL  // each step is a comparison
        const unsigned next = number + (1u << (bit - 1));
        if (next <= C::most && wide_t(theta) * wide_t(next) <= wide_t(v)) number = next;
    }
    return number;
}

// The membrane before its reset, from the one of the step before: what its spikes took off, now or a step later, its
// leak rounded half up, and the input below C::guard fraction bits; saturated. C::wide_bits hold every sum.
template <class C, class V, class X, class T>
typename C::out_t membrane_of(V before, X x, T theta, unsigned leak) {
    typedef typename Held<ap_int<C::wide_bits> >::type wide_t;
    const wide_t low = -(wide_t(1) << (C::out_t::width - 1)), high = (wide_t(1) << (C::out_t::width - 1)) - 1;
    const unsigned fired = C::reset == NONE ? 0 : spikes_of<C>(before, theta);
    const wide_t off = C::reset == SUBTRACT ? wide_t(wide_t(theta) * wide_t(fired)) : wide_t(0);
    wide_t v = before;
    if (!C::later) v = C::reset == ZERO && fired ? wide_t(0) : wide_t(v - off);
    if (leak > 0) v -= wide_t(v + (wide_t(1) << (leak - 1))) >> leak;
    v += wide_t(x) << C::guard;
    if (C::later) v = C::reset == ZERO && fired ? wide_t(0) : wide_t(v - off);
    return v < low ? low : v > high ? high : v;
}

// The membranes of C::steps steps of C::size neurons, theta and leak [bank][channel] or one for all. An input of one
// step is held for all of them. One element a cycle.
template <class C, class Thetas, class Leaks>
void lif(hls::stream<Pack<typename C::in_t, C::in_lanes> >& in,
         hls::stream<Pack<typename C::out_t, C::in_lanes> >& out, const Thetas& theta, const Leaks& leak,
         unsigned bank) {
    CROSSLOOM_BUFFER typename Held<typename C::out_t>::type membrane[C::size];
#pragma HLS ARRAY_PARTITION variable = membrane cyclic factor = C::in_lanes  // one element at once
    CROSSLOOM_BUFFER typename Held<typename C::in_t>::type held[C::hold ? C::size : C::in_lanes];
#pragma HLS ARRAY_PARTITION variable = held cyclic factor = C::in_lanes
Step:
    for (unsigned step = 0; step < C::steps; step++) {
        unsigned channel = 0;
    Element:
        for (unsigned n = 0; n < C::size; n += C::in_lanes) {
#pragma HLS PIPELINE II = 1  // a membrane comes back after C::size / C::in_lanes cycles
            const unsigned place = C::hold ? n : 0;
            Pack<typename C::in_t, C::in_lanes> x;
            if (step == 0 || !C::hold) x = in.read();
            Pack<typename C::out_t, C::in_lanes> y;
        Lane:
            for (unsigned l = 0; l < C::in_lanes; l++) {
#pragma HLS UNROLL
                if (step == 0 || !C::hold) held[place + l] = x.code[l];
                const typename Held<typename C::out_t>::type before = step == 0 ? 0 : int64_t(membrane[n + l]);
                y.code[l] = membrane_of<C>(before, held[place + l], theta[bank][C::many_thetas ? channel + l : 0],
                                           unsigned(leak[bank][C::many_leaks ? channel + l : 0]));
                membrane[n + l] = y.code[l];
            }
            out.write(y);
            channel = channel + C::in_lanes == C::channels ? 0 : channel + C::in_lanes;
        }
    }
}

// What one step makes of the result so far, `left` steps being left, this one included.
struct Every {
    template <class T, class X>
    static T next(T so_far, X code, unsigned) {
        return so_far + code;
    }
};
struct Latest {
    template <class T, class X>
    static T next(T, X code, unsigned) {
        return code;
    }
};
struct Earliest {
    template <class T, class X>
    static T next(T so_far, X code, unsigned left) {
        return so_far == 0 && code > 0 ? T(left) : so_far;
    }
};

// C::steps steps of C::size codes joined to one: their sum, the last of them, or when the first was above 0.
template <class C, class Join>
void reduce(hls::stream<Pack<typename C::in_t, C::in_lanes> >& in,
            hls::stream<Pack<typename C::out_t, C::in_lanes> >& out) {
    CROSSLOOM_BUFFER typename Held<typename C::out_t>::type result[C::size];
#pragma HLS ARRAY_PARTITION variable = result cyclic factor = C::in_lanes  // one element at once
Step:
    for (unsigned step = 0; step < C::steps; step++) {
    Element:
        for (unsigned n = 0; n < C::size; n += C::in_lanes) {
#pragma HLS PIPELINE II = 1  // one element a cycle
            const Pack<typename C::in_t, C::in_lanes> x = in.read();
            Pack<typename C::out_t, C::in_lanes> y;
        Lane:
            for (unsigned l = 0; l < C::in_lanes; l++) {
#pragma HLS UNROLL
                const typename C::out_t so_far = step == 0 ? 0 : int64_t(result[n + l]);
                y.code[l] = Join::next(so_far, x.code[l], C::steps - step);
                result[n + l] = y.code[l];
            }
            if (step == C::steps - 1) out.write(y);
        }
    }
}

}  // namespace crossloom

#endif
