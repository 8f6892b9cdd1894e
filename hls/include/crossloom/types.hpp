// What the kernels share: elements of a stream, integer types by width, and how a table is stored.
#ifndef CROSSLOOM_TYPES_HPP
#define CROSSLOOM_TYPES_HPP

#include <stdint.h>

#include "crossloom/beats.hpp"

namespace crossloom {

// One element of a stream: LANES codes side by side. An edge (H, W, C) is a stream of H * W * C / LANES of them,
// channels last, LANES dividing C; an edge (C,) one of C / LANES. So a Flatten is the same stream.
template <class T, unsigned LANES>
struct Pack {
    T code[LANES];
};

template <int BITS, bool SIGNED>
struct Int {
    typedef ap_uint<BITS> type;
};
template <int BITS>
struct Int<BITS, true> {
    typedef ap_int<BITS> type;
};

#ifdef __SYNTHESIS__
template <int BITS, bool SIGNED>
struct Stored {
    typedef typename Int<BITS, SIGNED>::type type;
};
#else
// The open ap_int cannot be initialised at compile time: a table of it would run a constructor for every entry.
template <int BYTES>
struct Native {
    typedef int64_t type;
};
template <>
struct Native<1> {
    typedef int8_t type;
};
template <>
struct Native<2> {
    typedef int16_t type;
};
template <>
struct Native<4> {
    typedef int32_t type;
};
template <int BITS, bool SIGNED>
struct Stored {
    static const int needed = SIGNED ? BITS : BITS + 1;
    typedef typename Native<(needed <= 8 ? 1 : needed <= 16 ? 2 : needed <= 32 ? 4 : 8)>::type type;
};
#endif

constexpr unsigned gcd(unsigned a, unsigned b) { return b ? gcd(b, a % b) : a; }
constexpr unsigned lcm(unsigned a, unsigned b) { return a / gcd(a, b) * b; }

// The index after `i` in a ring of `size`.
inline unsigned next_of(unsigned i, unsigned size) { return i + 1 == size ? 0 : i + 1; }

}  // namespace crossloom

#endif
