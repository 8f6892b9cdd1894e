// MaxPool and SumPool over windows of a channels-last image.
#ifndef CROSSLOOM_POOL_HPP
#define CROSSLOOM_POOL_HPP

#include "crossloom/window.hpp"

namespace crossloom {

struct Greatest {
    template <class T, class X>
    static T join(T so_far, X code) {
        return so_far < code ? T(code) : so_far;
    }
};
struct Sum {
    template <class T, class X>
    static T join(T so_far, X code) {
        return so_far + code;
    }
};

// y[., ., c] = the greatest code, or the sum, of each window, per channel; outside the image reads pad_code, for a
// MaxPool the type's minimum (a SumPool has no padding). One element of in_lanes channels and one tap a cycle.
template <class C, class Join>
void pool(hls::stream<Pack<typename C::in_t, C::in_lanes> >& in,
          hls::stream<Pack<typename C::out_t, C::in_lanes> >& out) {
    CROSSLOOM_BUFFER typename Held<typename C::in_t>::type line[C::kernel_h][C::width * C::channels];
#pragma HLS ARRAY_PARTITION variable = line cyclic factor = C::in_lanes dim = 2  // one element at once
    Pack<typename C::out_t, C::in_lanes> best;
    unsigned read = 0, slot = 0, i = 0, j = 0;
OutRow:
    for (unsigned y = 0; y < C::out_height; y++) {
        fetch_rows<C>(in, line, read, slot, rows_needed<C>(y));
    OutColumn:
        for (unsigned x = 0; x < C::out_width; x++) {
        Channel:
            for (unsigned c = 0; c < C::channels; c += C::in_lanes) {
            Tap:
                for (unsigned t = 0; t < C::kernel_h * C::kernel_w; t++) {
#pragma HLS PIPELINE II = 1  // one element a cycle
                    const int row = int(y * C::stride_h + i) - int(C::pad_top);
                    const int column = int(x * C::stride_w + j) - int(C::pad_left);
                    const bool inside = row >= 0 && row < int(C::height) && column >= 0 && column < int(C::width);
                    const unsigned place = inside ? slot_of<C>(row, read, slot) : 0;
                    const unsigned first = (inside ? unsigned(column) : 0) * C::channels + c;
                Lane:
                    for (unsigned l = 0; l < C::in_lanes; l++) {
#pragma HLS UNROLL  // channels do not mix
                        const typename C::in_t code = inside ? typename C::in_t(line[place][first + l]) : typename C::in_t(C::pad_code);
                        best.code[l] = t == 0 ? typename C::out_t(code) : Join::join(best.code[l], code);
                    }
                    j = next_of(j, C::kernel_w);
                    if (j == 0) i = next_of(i, C::kernel_h);
                    // Written here, so that the loops nest perfectly and the pipeline never drains between windows.
                    if (t == C::kernel_h * C::kernel_w - 1) out.write(best);
                }
            }
        }
    }
    fetch_rows<C>(in, line, read, slot, C::height);  // rows that no window reaches
}

}  // namespace crossloom

#endif
