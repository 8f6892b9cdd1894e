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

// CROSSLOOM_SYNTHESIS_TYPES: C simulation that computes in the types of synthesis, many times slower; tables stay
// native, as the compiler would take minutes over them.
#if defined(__SYNTHESIS__) || defined(CROSSLOOM_SYNTHESIS_TYPES)
#define CROSSLOOM_NARROW
#endif

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

// What line buffers and sums hold: in C simulation native integers, for speed. A sum becomes out_t when it is written,
// and a remainder modulo 2^width at the end is the same as one at every step.
#ifdef CROSSLOOM_NARROW
template <class T>
struct Held {
    typedef T type;
};
template <class C>
struct SumOf {
    typedef typename C::out_t type;
    template <class X, class W>
    static auto product(X x, W w) -> decltype(x * w) {
        return x * w;
    }
};
#else
template <class T>
struct Held;
template <int BITS>
struct Held<ap_int<BITS> > {
    typedef typename Stored<BITS, true>::type type;
};
template <int BITS>
struct Held<ap_uint<BITS> > {
    typedef typename Stored<BITS, false>::type type;
};
template <class C>
struct SumOf {
    static const int bits = C::in_t::width + C::weight_t::width + 1;
    typedef typename Stored<(bits > C::out_t::width ? bits : C::out_t::width), true>::type type;
    template <class X, class W>
    static type product(X x, W w) {
        return type(x) * type(w);
    }
};
#endif

// A process of its own. In C simulation the compiler's time and memory grow faster than a function does, and the one that
// has every stream of a core is long enough without its processes; GCC's analysis of pointers alone grows nearly with its cube.
#if defined(__SYNTHESIS__) || !defined(__GNUC__)
#define CROSSLOOM_PROCESS
#define CROSSLOOM_DATAFLOW
#elif defined(__clang__)
#define CROSSLOOM_PROCESS __attribute__((noinline))
#define CROSSLOOM_DATAFLOW
#else
#define CROSSLOOM_PROCESS __attribute__((noinline))
#define CROSSLOOM_DATAFLOW __attribute__((noinline, optimize("no-tree-pta")))
#endif

// Of arrays of a kernel that grow with the network. In C simulation they would pass the stack, so that they are static
// there; in synthesis they are memories of the process. A kernel reads no entry that it has not written in the same call.
#ifdef __SYNTHESIS__
#define CROSSLOOM_BUFFER
#else
#define CROSSLOOM_BUFFER static
#endif

constexpr unsigned gcd(unsigned a, unsigned b) { return b ? gcd(b, a % b) : a; }
constexpr unsigned lcm(unsigned a, unsigned b) { return a / gcd(a, b) * b; }

// The index after `i` in a ring of `size`.
inline unsigned next_of(unsigned i, unsigned size) { return i + 1 == size ? 0 : i + 1; }

}  // namespace crossloom

#endif
