// The rows that a sliding window needs: the last C::kernel_h rows of the image, in a ring.
#ifndef CROSSLOOM_WINDOW_HPP
#define CROSSLOOM_WINDOW_HPP

#include "crossloom/types.hpp"

namespace crossloom {

// Reads rows of the image until `need` of them have come; row r goes to line[r % C::kernel_h]. `read` counts rows,
// `slot` is where the next one goes.
template <class C>
void fetch_rows(hls::stream<Pack<typename C::in_t, C::in_lanes> >& in,
                typename Held<typename C::in_t>::type (&line)[C::kernel_h][C::width * C::channels], unsigned& read, unsigned& slot,
                unsigned need) {
FetchRow:
    for (; read < need; read++) {
#pragma HLS LOOP_TRIPCOUNT min = 0 max = C::height
    FetchElement:
        for (unsigned i = 0; i < C::width * C::channels; i += C::in_lanes) {
#pragma HLS PIPELINE II = 1  // one element a cycle, as fast as the stream gives them
            const Pack<typename C::in_t, C::in_lanes> element = in.read();
        FetchLane:
            for (unsigned l = 0; l < C::in_lanes; l++) {
#pragma HLS UNROLL  // the codes of an element arrive together
                line[slot][i + l] = element.code[l];
            }
        }
        slot = next_of(slot, C::kernel_h);
    }
}

// Rows of the image that the windows of output row y reach: those above its lowest line, padding not counted.
template <class C>
unsigned rows_needed(unsigned y) {
    const int below = int(y * C::stride_h + C::kernel_h) - int(C::pad_top);
    return below < 0 ? 0 : below > int(C::height) ? C::height : unsigned(below);
}

// Where row `row` of the image lies, one of the last kernel_h of `read` rows.
template <class C>
unsigned slot_of(unsigned row, unsigned read, unsigned slot) {
    const unsigned place = slot + C::kernel_h - (read - row);
    return place >= C::kernel_h ? place - C::kernel_h : place;
}

}  // namespace crossloom

#endif
