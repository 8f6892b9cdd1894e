// Frames to codes, scores to results, loads to tables: the formats of crossloom.sim.frames.
#ifndef CROSSLOOM_FRAMES_HPP
#define CROSSLOOM_FRAMES_HPP

#include "crossloom/join.hpp"
#include "crossloom/types.hpp"

namespace crossloom {

constexpr unsigned field_bits(unsigned bits, unsigned width = 1) {
    return width >= bits ? width : field_bits(bits, 2 * width);
}

// Values of BITS bits, taken one after the other from beats: 64 / field of them in each, from the lowest bit up.
template <int BITS, bool SIGNED>
struct Fields {
    typedef typename Int<BITS, SIGNED>::type value_t;
    static const unsigned width = field_bits(BITS);
    beat_t beat;
    unsigned left;

    Fields() : beat(0), left(0) {}
    value_t next(hls::stream<beat_t>& in) {
#pragma HLS INLINE  // a shift register
        if (left == 0) {
            beat = in.read();
            left = 64 / width;
        }
        const value_t value = beat;  // its lowest bits
        if (width < 64) beat >>= width % 64;
        left--;
        return value;
    }
};

// A frame's codes as elements of C::lanes.
template <class C>
void unpack(hls::stream<beat_t>& in, hls::stream<Pack<typename C::code_t, C::lanes> >& out) {
    Fields<C::bits, C::is_signed> fields;
    Pack<typename C::code_t, C::lanes> element;
    unsigned lane = 0;
Code:
    for (unsigned n = 0; n < C::size; n++) {
#pragma HLS PIPELINE II = 1  // one code a cycle
        element.code[lane] = fields.next(in);
        if (lane == C::lanes - 1) out.write(element);
        lane = next_of(lane, C::lanes);
    }
}

// Reads ROWS scores, keeps them, and returns the index of the greatest of the first `used`; ties: the lowest.
template <unsigned ROWS, class T, unsigned LANES>
unsigned argmax(hls::stream<Pack<T, LANES> >& in, T (&score)[ROWS], unsigned used) {
    Pack<T, LANES> element;
    unsigned lane = 0, best = 0;
    T greatest = 0;
Row:
    for (unsigned row = 0; row < ROWS; row++) {
#pragma HLS PIPELINE II = 1
        if (lane == 0) element = in.read();
        const T value = element.code[lane];
        score[row] = value;
        if (row == 0 || (row < used && greatest < value)) {
            greatest = value;
            best = row;
        }
        lane = next_of(lane, LANES);
    }
    return best;
}

template <unsigned ROWS, class T>
void write_scores(const T (&score)[ROWS], hls::stream<beat_t>& out) {
Score:
    for (unsigned row = 0; row < ROWS; row++) {
#pragma HLS PIPELINE II = 1  // one beat a cycle
        out.write(beat_t(ap_int<64>(score[row])));
    }
}

template <class C>
beat_t header(unsigned row, unsigned branch) {
    return beat_t(row) | (beat_t(branch) << C::row_bits);
}

// A flat network's result: header with the best row, then the scores. Returns branch 0.
template <class C>
unsigned result(hls::stream<Pack<typename C::score_t, C::lanes> >& in, hls::stream<beat_t>& out) {
    CROSSLOOM_BUFFER typename C::score_t score[C::rows];
    const unsigned row = argmax(in, score, C::rows);
    out.write(header<C>(row, 0));
    write_scores(score, out);
    return 0;
}

// The branch of an image: index of its greatest coarse score, to every reader; and the scores one after the other.
template <class C, class... Readers>
void route(hls::stream<Pack<typename C::score_t, C::lanes> >& in, hls::stream<typename C::score_t>& scores,
           Readers&... banks) {
    CROSSLOOM_BUFFER typename C::score_t score[C::rows];
    const unsigned branch = argmax(in, score, C::rows);
    write_all(typename C::bank_t(branch), banks...);
Coarse:
    for (unsigned row = 0; row < C::rows; row++) {
#pragma HLS PIPELINE II = 1
        scores.write(score[row]);
    }
}

// A routed network's result: header with the best of the rows that the branch uses, coarse scores, fine scores.
// Returns the branch.
template <class C, class Used>
unsigned routed_result(hls::stream<typename C::coarse_t>& coarse, hls::stream<typename C::bank_t>& bank,
                       hls::stream<Pack<typename C::score_t, C::lanes> >& fine, hls::stream<beat_t>& out,
                       const Used& used) {
    const unsigned branch = bank.read();
    CROSSLOOM_BUFFER typename C::score_t score[C::rows];
    const unsigned row = argmax(fine, score, used[branch]);
    out.write(header<C>(row, branch));
Coarse:
    for (unsigned i = 0; i < C::coarse_rows; i++) {
#pragma HLS PIPELINE II = 1  // one beat a cycle
        out.write(beat_t(ap_int<64>(coarse.read())));
    }
    write_scores(score, out);
    return branch;
}

// One tensor of a load, in C order.
template <int BITS, bool SIGNED, class T, unsigned N>
void load_row(Fields<BITS, SIGNED>& fields, hls::stream<beat_t>& in, T (&row)[N]) {
Value:
    for (unsigned i = 0; i < N; i++) {
#pragma HLS PIPELINE II = 1
        row[i] = fields.next(in);
    }
}
template <int BITS, bool SIGNED, class T>
void load_value(hls::stream<beat_t>& in, T& value) {
    Fields<BITS, SIGNED> fields;
    value = fields.next(in);
}
template <int BITS, bool SIGNED, class T, unsigned N>
void load_tensor(hls::stream<beat_t>& in, T (&table)[N]) {
    Fields<BITS, SIGNED> fields;
    load_row(fields, in, table);
}
template <int BITS, bool SIGNED, class T, unsigned ROWS, unsigned N>
void load_tensor(hls::stream<beat_t>& in, T (&table)[ROWS][N]) {
    Fields<BITS, SIGNED> fields;
Rows:
    for (unsigned row = 0; row < ROWS; row++) load_row(fields, in, table[row]);
}

// Weights (OUT, IN) of a load into words of PAR_OUT x PAR_IN: with IN_FIRST word (i / PAR_IN, o / PAR_OUT) as Dense
// reads them, else word (o / PAR_OUT, i / PAR_IN) as Conv2d does.
template <int BITS, bool SIGNED, unsigned OUT, unsigned IN, unsigned PAR_OUT, unsigned PAR_IN, bool IN_FIRST, class T>
void load_weights(hls::stream<beat_t>& in, T& table) {
    Fields<BITS, SIGNED> fields;
OutFold:
    for (unsigned f = 0; f < OUT / PAR_OUT; f++) {
    Out:
        for (unsigned o = 0; o < PAR_OUT; o++) {
        InFold:
            for (unsigned i = 0; i < IN / PAR_IN; i++) {
            In:
                for (unsigned p = 0; p < PAR_IN; p++) {
#pragma HLS PIPELINE II = 1
                    table[IN_FIRST ? i * (OUT / PAR_OUT) + f : f * (IN / PAR_IN) + i][o * PAR_IN + p] = fields.next(in);
                }
            }
        }
    }
}

}  // namespace crossloom

#endif
