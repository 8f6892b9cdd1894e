// Dense and Conv2d: exact integer products with weights, plus a bias.
#ifndef CROSSLOOM_LINEAR_HPP
#define CROSSLOOM_LINEAR_HPP

#include "crossloom/window.hpp"

namespace crossloom {

// acc[y, x, o] = sum_{i,j,c} in[y*sh - top + i, x*sw - left + j, g*G + c] * weight[o, i, j, c] + bias[o], exact;
// output channel o belongs to group g = o / (out / groups), G = channels / groups; outside the image reads pad_code.
//
// C::par_out x C::par_in products a cycle. par_in divides G. par_out divides out / groups, or is a multiple of it
// that divides out, and then par_in is G. out_t may wrap on the way: the sum fits, and two's complement forgets.
// weight[bank][(o / par_out) * taps + t][(o % par_out) * par_in + c % par_in], t counting (i, j, c / par_in).
template <class C, class Weights, class Biases>
void conv2d(hls::stream<Pack<typename C::in_t, C::in_lanes> >& in,
            hls::stream<Pack<typename C::out_t, C::par_out> >& out, const Weights& weight, const Biases& bias,
            unsigned bank) {
    const unsigned in_per_group = C::channels / C::groups, out_per_group = C::out / C::groups;
    const unsigned groups_at_once = C::par_out > out_per_group ? C::par_out / out_per_group : 1;
    typedef typename Held<typename C::in_t>::type code_t;
    typedef typename SumOf<C>::type sum_t;
    const unsigned taps = C::kernel_h * C::kernel_w * in_per_group / C::par_in;
    CROSSLOOM_BUFFER code_t line[C::kernel_h][C::width * C::channels];
    // as many codes at once as one cycle writes or multiplies
    const unsigned ports = lcm(C::in_lanes, C::par_in * groups_at_once);
#pragma HLS ARRAY_PARTITION variable = line cyclic factor = ports dim = 2
    sum_t acc[C::par_out];
#pragma HLS ARRAY_PARTITION variable = acc complete  // registers: each sums every cycle
    unsigned read = 0, slot = 0, i = 0, j = 0, c = 0;
OutRow:
    for (unsigned y = 0; y < C::out_height; y++) {
        fetch_rows<C>(in, line, read, slot, rows_needed<C>(y));
    OutColumn:
        for (unsigned x = 0; x < C::out_width; x++) {
        OutFold:
            for (unsigned f = 0; f < C::out / C::par_out; f++) {
            Tap:
                for (unsigned t = 0; t < taps; t++) {
#pragma HLS PIPELINE II = 1  // one word of weights a cycle
                    const int row = int(y * C::stride_h + i) - int(C::pad_top);
                    const int column = int(x * C::stride_w + j) - int(C::pad_left);
                    const bool inside = row >= 0 && row < int(C::height) && column >= 0 && column < int(C::width);
                    const unsigned place = inside ? slot_of<C>(row, read, slot) : 0;
                    code_t code[groups_at_once][C::par_in];
#pragma HLS ARRAY_PARTITION variable = code complete dim = 0  // wires
                Group:
                    for (unsigned g = 0; g < groups_at_once; g++) {
#pragma HLS UNROLL  // the groups of one fold read side by side
                        const unsigned group = (groups_at_once > 1 ? f * groups_at_once : f * C::par_out / out_per_group) + g;
                        const unsigned first = (inside ? unsigned(column) : 0) * C::channels + group * in_per_group + c;
                    Read:
                        for (unsigned p = 0; p < C::par_in; p++) {
#pragma HLS UNROLL
                            code[g][p] = inside ? line[place][first + p] : code_t(C::pad_code);
                        }
                    }
                Out:
                    for (unsigned o = 0; o < C::par_out; o++) {
#pragma HLS UNROLL  // par_out sums
                        sum_t sum = t == 0 ? sum_t(bias[bank][f * C::par_out + o]) : acc[o];
                    In:
                        for (unsigned p = 0; p < C::par_in; p++) {
#pragma HLS UNROLL  // of par_in products each
                            sum += SumOf<C>::product(code[groups_at_once > 1 ? o / out_per_group : 0][p],
                                                     weight[bank][f * taps + t][o * C::par_in + p]);
                        }
                        acc[o] = sum;
                    }
                    c += C::par_in;
                    if (c == in_per_group) {
                        c = 0;
                        j = next_of(j, C::kernel_w);
                        if (j == 0) i = next_of(i, C::kernel_h);
                    }
                    // Written here, so that the loops nest perfectly and the pipeline never drains between windows.
                    if (t == taps - 1) {
                        Pack<typename C::out_t, C::par_out> element;
                    Emit:
                        for (unsigned o = 0; o < C::par_out; o++) {
#pragma HLS UNROLL
                            element.code[o] = acc[o];
                        }
                        out.write(element);
                    }
                }
            }
        }
    }
    fetch_rows<C>(in, line, read, slot, C::height);  // rows that no window reaches
}

// acc[o] = sum_i x[i] * weight[o, i] + bias[o], exact.
//
// C::par_out x C::par_in products a cycle, par_in dividing in_lanes; every code is multiplied when it comes.
// weight[bank][(i / par_in) * (out / par_out) + o / par_out][(o % par_out) * par_in + i % par_in].
template <class C, class Weights, class Biases>
void dense(hls::stream<Pack<typename C::in_t, C::in_lanes> >& in,
           hls::stream<Pack<typename C::out_t, C::par_out> >& out, const Weights& weight, const Biases& bias,
           unsigned bank) {
    typedef typename Held<typename C::in_t>::type code_t;
    const unsigned folds = C::out / C::par_out;
    typedef typename SumOf<C>::type sum_t;
    CROSSLOOM_BUFFER sum_t acc[folds][C::par_out];
#pragma HLS ARRAY_PARTITION variable = acc complete dim = 2  // par_out sums a cycle
    Pack<typename C::in_t, C::in_lanes> element;
    unsigned lane = 0;
Input:
    for (unsigned i = 0; i < C::channels / C::par_in; i++) {
    OutFold:
        for (unsigned f = 0; f < folds; f++) {
#pragma HLS PIPELINE II = 1  // one word of weights a cycle
            if (lane == 0 && f == 0) element = in.read();
        Out:
            for (unsigned o = 0; o < C::par_out; o++) {
#pragma HLS UNROLL  // par_out sums
                sum_t sum = i == 0 ? sum_t(bias[bank][f * C::par_out + o]) : acc[f][o];
            In:
                for (unsigned p = 0; p < C::par_in; p++) {
#pragma HLS UNROLL  // of par_in products each
                    sum += SumOf<C>::product(code_t(element.code[lane + p]),
                                             weight[bank][i * folds + f][o * C::par_in + p]);
                }
                acc[f][o] = sum;
            }
            if (f == folds - 1) lane = lane + C::par_in == C::in_lanes ? 0 : lane + C::par_in;
        }
    }
Emit:
    for (unsigned f = 0; f < folds; f++) {
#pragma HLS PIPELINE II = 1
        Pack<typename C::out_t, C::par_out> sums;
    EmitLane:
        for (unsigned o = 0; o < C::par_out; o++) {
#pragma HLS UNROLL
            sums.code[o] = acc[f][o];
        }
        out.write(sums);
    }
}

}  // namespace crossloom

#endif
