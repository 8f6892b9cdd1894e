// Between packed beats and hls4ml's streams of nnet::array: codes go by their bits, so that no value is converted.
#ifndef CROSSLOOM_HLS4ML_HPP
#define CROSSLOOM_HLS4ML_HPP

#include "ap_fixed.h"
#include "crossloom/beats.hpp"

namespace crossloom {
namespace hls4ml {

// The bits of an ap_fixed as an integer: the code that stands for it.
template <int W, int I, ap_q_mode Q, ap_o_mode O, int N>
ap_int<W> code_of(const ap_fixed<W, I, Q, O, N>& value) {
#pragma HLS INLINE
    ap_int<W> code;
    code.range(W - 1, 0) = value.range(W - 1, 0);
    return code;
}

template <int W, int I, ap_q_mode Q, ap_o_mode O, int N>
ap_uint<W> code_of(const ap_ufixed<W, I, Q, O, N>& value) {
#pragma HLS INLINE
    ap_uint<W> code;
    code.range(W - 1, 0) = value.range(W - 1, 0);
    return code;
}

template <typename Value, typename Code>
Value value_of(const Code& code) {
#pragma HLS INLINE
    Value value;
    value.range(Value::width - 1, 0) = code.range(Value::width - 1, 0);
    return value;
}

// Weights for C simulation.
template <unsigned Count, typename Value>
bool fill(const double (&values)[Count], Value (&weights)[Count]) {
    for (unsigned i = 0; i < Count; i++) weights[i] = values[i];
    return true;
}

// `Codes` codes in fields of `Field` bits, from the least significant up.
template <unsigned Codes, unsigned Field, typename Code>
void read_codes(hls::stream<beat_t>& in, Code codes[Codes]) {
    beat_t beat = 0;
fields:
    for (unsigned i = 0; i < Codes; i++) {
#pragma HLS PIPELINE II=1  // a code a cycle, what a layer takes at best
        if (i % (beat_t::width / Field) == 0) beat = in.read();
        codes[i] = beat.range(Code::width - 1, 0);
        beat >>= Field;
    }
}

// The same into packs of one pixel.
template <unsigned Codes, unsigned Field, typename Pack>
void read_packs(hls::stream<beat_t>& in, hls::stream<Pack>& out) {
    beat_t beat = 0;
    Pack pack;
fields:
    for (unsigned i = 0; i < Codes; i++) {
#pragma HLS PIPELINE II=1  // a code a cycle, what a layer takes at best
        if (i % (beat_t::width / Field) == 0) beat = in.read();
        pack[i % Pack::size] = value_of<typename Pack::value_type>(beat);
        beat >>= Field;
        if (i % Pack::size == Pack::size - 1) out.write(pack);
    }
}

// A stream of packs into a buffer of codes, and back.
template <unsigned Codes, typename Pack, typename Code>
void store(hls::stream<Pack>& in, Code codes[Codes]) {
packs:
    for (unsigned i = 0; i < Codes / Pack::size; i++) {
#pragma HLS PIPELINE II=Pack::size  // the buffer has one port
        const Pack pack = in.read();
    pixel:
        for (unsigned j = 0; j < Pack::size; j++) codes[i * Pack::size + j] = code_of(pack[j]);
    }
}

template <unsigned Codes, typename Pack, typename Code>
void replay(const Code codes[Codes], hls::stream<Pack>& out) {
packs:
    for (unsigned i = 0; i < Codes / Pack::size; i++) {
#pragma HLS PIPELINE II=Pack::size  // the buffer has one port
        Pack pack;
    pixel:
        for (unsigned j = 0; j < Pack::size; j++)
            pack[j] = value_of<typename Pack::value_type>(codes[i * Pack::size + j]);
        out.write(pack);
    }
}

// The index of the greatest of the first `used` scores; of equal ones the lowest.
template <unsigned Rows>
unsigned argmax(const ap_int<64> scores[Rows], unsigned used) {
    unsigned best = 0;
rows:
    for (unsigned i = 1; i < Rows; i++) {
        if (i < used && scores[i] > scores[best]) best = i;
    }
    return best;
}

template <unsigned Rows>
void write_scores(const ap_int<64> scores[Rows], hls::stream<beat_t>& out) {
rows:
    for (unsigned i = 0; i < Rows; i++) {
#pragma HLS PIPELINE II=1
        out.write(beat_t(scores[i]));
    }
}

// A flat network's result: the best row, then a score a beat.
template <unsigned Rows, typename Pack>
void write_result(hls::stream<Pack>& in, hls::stream<beat_t>& out) {
    ap_int<64> scores[Rows];
    store<Rows>(in, scores);
    out.write(beat_t(argmax<Rows>(scores, Rows)));
    write_scores<Rows>(scores, out);
}

}  // namespace hls4ml
}  // namespace crossloom

#endif
