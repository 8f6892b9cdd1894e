// Requant and Threshold, from an accumulator back to codes, and LeakyReLU before them.
#ifndef CROSSLOOM_QUANTIZE_HPP
#define CROSSLOOM_QUANTIZE_HPP

#include "crossloom/types.hpp"

namespace crossloom {

enum Rounding { FLOOR, HALF_UP, HALF_EVEN };

// clip(round_shift(acc, shift), lo, hi); shift <= 0 is an exact left shift before the clip.
// C::wide_bits hold acc << 16, and acc with half a step.
template <class C>
typename C::out_t requant_code(typename C::in_t acc, int shift) {
    typedef typename Held<ap_int<C::wide_bits> >::type wide_t;
    wide_t v = acc;
    if (shift <= 0) {
        v <<= unsigned(-shift);
    } else {
        const wide_t half = wide_t(1) << unsigned(shift - 1);
        if (C::rounding == HALF_UP) v += half;
        if (C::rounding == HALF_EVEN) v += half - 1 + ((v >> unsigned(shift)) & 1);  // half only if the floor is odd
        v >>= unsigned(shift);
    }
    if (v < C::lo) return C::lo;
    if (v > C::hi) return C::hi;
    return v;
}

// y = clip(round_shift(acc, shift), lo, hi), shift[bank][channel] or one for all channels. One element a cycle.
template <class C, class Shifts>
void requant(hls::stream<Pack<typename C::in_t, C::in_lanes> >& in,
             hls::stream<Pack<typename C::out_t, C::in_lanes> >& out, const Shifts& shift, unsigned bank) {
    unsigned channel = 0;
Element:
    for (unsigned n = 0; n < C::size; n += C::in_lanes) {
#pragma HLS PIPELINE II = 1  // one element a cycle
        const Pack<typename C::in_t, C::in_lanes> acc = in.read();
        Pack<typename C::out_t, C::in_lanes> y;
    Lane:
        for (unsigned l = 0; l < C::in_lanes; l++) {
#pragma HLS UNROLL
            y.code[l] = requant_code<C>(acc.code[l], shift[bank][C::per_channel ? channel + l : 0]);
        }
        out.write(y);
        channel = channel + C::in_lanes == C::channels ? 0 : channel + C::in_lanes;
    }
}

// y = base + step * (number of T_i <= acc), T = threshold[bank][channel or 0], sorted. One element a cycle, found by
// binary search: as many comparisons a code as the number has bits.
template <class C, class Thresholds>
void threshold(hls::stream<Pack<typename C::in_t, C::in_lanes> >& in,
               hls::stream<Pack<typename C::out_t, C::in_lanes> >& out, const Thresholds& thresholds, unsigned bank) {
    unsigned channel = 0;
Element:
    for (unsigned n = 0; n < C::size; n += C::in_lanes) {
#pragma HLS PIPELINE II = 1  // the search's steps are stages
        const Pack<typename C::in_t, C::in_lanes> acc = in.read();
        Pack<typename C::out_t, C::in_lanes> y;
    Lane:
        for (unsigned l = 0; l < C::in_lanes; l++) {
#pragma HLS UNROLL
            const unsigned row = C::per_channel ? channel + l : 0;
            unsigned number = 0;
        Search:
            for (unsigned bit = C::count_bits; bit > 0; bit--) {
#pragma HLS UNROLL  // each step is a comparison
                const unsigned next = number + (1u << (bit - 1));
                if (next <= C::count && typename C::threshold_t(thresholds[bank][row][next - 1]) <= acc.code[l])
                    number = next;
            }
            y.code[l] = C::base + C::step * int(number);
        }
        out.write(y);
        channel = channel + C::in_lanes == C::channels ? 0 : channel + C::in_lanes;
    }
}

// y = max(x << C::shift, x): a negative code is the same at the finer scale. One element a cycle.
template <class C>
void leakyrelu(hls::stream<Pack<typename C::in_t, C::in_lanes> >& in,
               hls::stream<Pack<typename C::out_t, C::in_lanes> >& out) {
Element:
    for (unsigned n = 0; n < C::size; n += C::in_lanes) {
#pragma HLS PIPELINE II = 1  // one element a cycle
        const Pack<typename C::in_t, C::in_lanes> x = in.read();
        Pack<typename C::out_t, C::in_lanes> y;
    Lane:
        for (unsigned l = 0; l < C::in_lanes; l++) {
#pragma HLS UNROLL
            const typename C::out_t code = x.code[l];
            y.code[l] = code < 0 ? code : typename C::out_t(code << C::shift);
        }
        out.write(y);
    }
}

}  // namespace crossloom

#endif
