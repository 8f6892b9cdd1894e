// All kernels of the native flow.
#ifndef CROSSLOOM_KERNELS_HPP
#define CROSSLOOM_KERNELS_HPP

#include "crossloom/frames.hpp"
#include "crossloom/join.hpp"
#include "crossloom/lif.hpp"
#include "crossloom/linear.hpp"
#include "crossloom/pool.hpp"
#include "crossloom/quantize.hpp"

#endif
