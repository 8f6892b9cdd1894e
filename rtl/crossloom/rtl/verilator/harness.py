"""The C++ around a Verilated model: a small C interface for any top, with stream and AXI4-Lite masters."""

import re

from ..errors import RtlError

_PORT = re.compile(r"VL_(IN|OUT)(8|16|64|W)?\(&(\w+),(\d+),(\d+)(?:,(\d+))?\)")

_CODE = r"""
#include "Vmodel.h"
#include "verilated.h"
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {
struct Port { const char* name; uint32_t bits; uint32_t bytes; bool input; void* at; };
struct Record { std::vector<int> ports; std::vector<uint32_t> words; };
// A DMA's channel between memory and a stream; `Mover` of movers.py has the same fields.
struct Mover { uint8_t* at; uint64_t bytes, reach, done, busy, fault, pause, offered; };
enum { UNREACHABLE = 1, TOO_LONG = 2 };
struct Handle {
  VerilatedContext context;
  std::unique_ptr<Vmodel> top;
  Port ports[@COUNT@];
  void* clock = nullptr;
  uint64_t cycle = 0;
  std::string error;
  std::vector<Record> records;
  Mover movers[2] = {};  // memory to stream, stream to memory
  std::vector<int> stream;  // valid ready data last of both; empty until movers are attached
  uint32_t random = 1;
  bool pauses(const Mover& m) {  // in so many of 256 cycles the memory is not ready
    if (!m.pause) return false;
    random ^= random << 13; random ^= random >> 17; random ^= random << 5;
    return (random & 255) < m.pause;
  }
  // A beat of each stream that is busy, in the cycle whose edge `tick` is about to give.
  void move() {
    Mover &send = movers[0], &take = movers[1];
    const uint64_t beat = (ports[stream[2]].bits + 7) / 8, out = (ports[stream[6]].bits + 7) / 8;
    uint64_t size = send.bytes - send.done < beat ? send.bytes - send.done : beat;
    if (send.busy && send.done + size > send.reach) { send.busy = 0; send.fault = UNREACHABLE; }
    // What was offered stays offered until it is taken.
    send.offered = send.busy && (send.offered || !pauses(send));
    const bool ready = take.busy && !pauses(take);
    set(stream[0], static_cast<uint32_t>(send.offered));
    set(stream[5], static_cast<uint32_t>(ready));
    if (send.offered) {
      std::memset(ports[stream[2]].at, 0, ports[stream[2]].bytes);
      std::memcpy(ports[stream[2]].at, send.at + send.done, size);
      set(stream[3], send.done + size == send.bytes);
    }
    settle();
    if (send.offered && bit(stream[1])) {
      send.offered = 0;
      send.done += size;
      send.busy = send.done < send.bytes;
    }
    if (ready && bit(stream[4])) {
      if (take.done + out > take.bytes) { take.busy = 0; take.fault = TOO_LONG; }
      else if (take.done + out > take.reach) { take.busy = 0; take.fault = UNREACHABLE; }
      else {
        std::memcpy(take.at + take.done, ports[stream[6]].at, out);
        take.done += out;
        take.busy = !bit(stream[7]);
      }
    }
  }
  void settle() { if (error.empty()) try { top->eval(); } catch (const std::exception& e) { error = e.what(); } }
  void tick() {  // from settled inputs over one rising edge; the caller settles what follows
    if (!stream.empty()) move();
    for (auto& r : records) if (bit(r.ports[0])) {
      r.words.push_back(static_cast<uint32_t>(cycle));
      for (size_t i = 1; i < r.ports.size(); ++i) {
        const size_t at = r.words.size();
        r.words.resize(at + (ports[r.ports[i]].bits + 31) / 32);
        get(r.ports[i], &r.words[at]);
      }
    }
    *static_cast<uint8_t*>(clock) = 1; settle();
    *static_cast<uint8_t*>(clock) = 0;
    ++cycle;
  }
  void set(int p, const uint32_t* words) {
    const Port& port = ports[p];
    std::memcpy(port.at, words, port.bytes);
  }
  void set(int p, uint32_t value) {
    const Port& port = ports[p];
    std::memset(port.at, 0, port.bytes);
    std::memcpy(port.at, &value, port.bytes < 4 ? port.bytes : 4);
  }
  void get(int p, uint32_t* words) const {
    const Port& port = ports[p];
    words[0] = 0;
    std::memcpy(words, port.at, port.bytes);
  }
  uint32_t bit(int p) const { return *static_cast<const uint8_t*>(ports[p].at); }
};
}  // namespace

// A failing assertion, $fatal or $finish must not end the process that holds the model.
void vl_fatal(const char* file, int line, const char*, const char* what) {
  throw std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": " + what);
}
void vl_stop(const char* file, int line, const char*) {
  throw std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": an assertion failed");
}
void vl_finish(const char* file, int line, const char*) {
  throw std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": $finish");
}

extern "C" {
void* cl_new(uint32_t seed, const char* argument) {  // a plus argument, or nothing
  auto* h = new Handle;
  const char* arguments[] = {"model", argument};
  h->context.commandArgs(*argument ? 2 : 1, arguments);
  h->context.randReset(2);
  h->context.randSeed(static_cast<int>(seed));
  h->top = std::make_unique<Vmodel>(&h->context, "top");
  int p = 0;
@PORTS@
  return h;
}
void cl_delete(void* v) { delete static_cast<Handle*>(v); }
// From now on every cycle in which the first port is 1: the cycle's number and the other ports, in 32-bit words.
void cl_record(void* v, int n, const int* p) {
  static_cast<Handle*>(v)->records.push_back({std::vector<int>(p, p + n), {}});
}
uint64_t cl_recorded(void* v, int record, const uint32_t** words) {
  const auto& found = static_cast<Handle*>(v)->records[record].words;
  *words = found.data();
  return found.size();
}
void cl_forget(void* v) { for (auto& r : static_cast<Handle*>(v)->records) r.words.clear(); }
int cl_count() { return @COUNT@; }
const char* cl_name(void* v, int p) { return static_cast<Handle*>(v)->ports[p].name; }
uint32_t cl_bits(void* v, int p) { return static_cast<Handle*>(v)->ports[p].bits; }
int cl_input(void* v, int p) { return static_cast<Handle*>(v)->ports[p].input; }
const char* cl_error(void* v) { return static_cast<Handle*>(v)->error.c_str(); }
uint64_t cl_cycle(void* v) { return static_cast<Handle*>(v)->cycle; }
void cl_clock(void* v, int p) { auto* h = static_cast<Handle*>(v); h->clock = h->ports[p].at; }
void cl_set(void* v, int p, const uint32_t* words) { static_cast<Handle*>(v)->set(p, words); }
void cl_get(void* v, int p, uint32_t* words) { static_cast<Handle*>(v)->get(p, words); }
void cl_run(void* v, uint64_t n) {
  auto* h = static_cast<Handle*>(v);
  h->settle();
  while (n-- && h->error.empty()) { h->tick(); h->settle(); }
}

// Let the movers drive the streams from now on; ports as cl_stream has them.
Mover* cl_attach(void* v, const int* p) {
  auto* h = static_cast<Handle*>(v);
  h->stream.assign(p, p + 8);
  return h->movers;
}
// Let the clock run until a mover stops, or the other one finds a fault, at most so many cycles.
void cl_move(void* v, int mover, uint64_t limit) {
  auto* h = static_cast<Handle*>(v);
  const Mover &own = h->movers[mover], &other = h->movers[1 - mover];
  const uint64_t before = other.fault;
  while (limit-- && h->error.empty() && own.busy && other.fault == before) h->tick();
  h->settle();
}

// ports: awvalid awready awaddr wvalid wready wdata wstrb bvalid bready. Returns how many writes were answered.
uint64_t cl_write(void* v, const int* p, uint64_t n, const uint32_t* address, const uint32_t* data, uint64_t limit) {
  auto* h = static_cast<Handle*>(v);
  uint64_t aw = 0, w = 0, b = 0;
  h->set(p[6], 15u); h->set(p[8], 1u);
  for (uint64_t c = 0; b < n && c < limit && h->error.empty(); ++c) {
    h->set(p[0], aw < n); h->set(p[3], w < n);
    if (aw < n) h->set(p[2], address[aw]);
    if (w < n) h->set(p[5], data[w]);
    h->settle();
    const bool a_go = aw < n && h->bit(p[1]), w_go = w < n && h->bit(p[4]), b_go = h->bit(p[7]);
    h->tick();
    aw += a_go; w += w_go; b += b_go;
  }
  h->set(p[0], 0u); h->set(p[3], 0u); h->set(p[8], 0u); h->settle();
  return b;
}

// ports: arvalid arready araddr rvalid rready rdata. Returns how many reads were answered.
uint64_t cl_read(void* v, const int* p, uint64_t n, const uint32_t* address, uint32_t* data, uint64_t limit) {
  auto* h = static_cast<Handle*>(v);
  uint64_t ar = 0, r = 0;
  h->set(p[4], 1u);
  for (uint64_t c = 0; r < n && c < limit && h->error.empty(); ++c) {
    h->set(p[0], ar < n);
    if (ar < n) h->set(p[2], address[ar]);
    h->settle();
    const bool a_go = ar < n && h->bit(p[1]), r_go = h->bit(p[3]);
    if (r_go) h->get(p[5], &data[r]);
    h->tick();
    ar += a_go; r += r_go;
  }
  h->set(p[0], 0u); h->set(p[4], 0u); h->settle();
  return r;
}

// ports: source valid ready data last, sink valid ready data last. `idle` and `stall` hold one byte a cycle, repeated:
// not 0 means that the source does not offer a new beat, that the sink is not ready. Beats are whole 32-bit words.
// Done when all beats are in and the sink has `n_out`; at most `limit` cycles. counts: beats in, beats out.
void cl_stream(void* v, const int* p, uint64_t n_in, const uint32_t* in, const uint8_t* in_last, uint64_t* in_cycle,
               uint64_t n_out, uint32_t* out, uint8_t* out_last, uint64_t* out_cycle,
               const uint8_t* idle, uint64_t idle_n, const uint8_t* stall, uint64_t stall_n,
               uint64_t limit, uint64_t* counts) {
  auto* h = static_cast<Handle*>(v);
  const uint64_t in_words = (h->ports[p[2]].bits + 31) / 32, out_words = (h->ports[p[6]].bits + 31) / 32;
  uint64_t i = 0, o = 0;
  bool offered = false;
  for (uint64_t c = 0; (i < n_in || o < n_out) && c < limit && h->error.empty(); ++c) {
    offered = i < n_in && (offered || !idle[c % idle_n]);
    const bool ready = o < n_out && !stall[c % stall_n];
    h->set(p[0], offered);
    if (offered) { h->set(p[2], in + i * in_words); h->set(p[3], in_last[i]); }
    h->set(p[5], ready);
    h->settle();
    const bool i_go = offered && h->bit(p[1]), o_go = ready && h->bit(p[4]);
    if (o_go) {
      h->get(p[6], out + o * out_words);
      out_last[o] = h->bit(p[7]);
      out_cycle[o++] = h->cycle;
    }
    if (i_go) { in_cycle[i++] = h->cycle; offered = false; }
    h->tick();
  }
  h->set(p[0], 0u); h->set(p[5], 0u); h->settle();
  counts[0] = i; counts[1] = o;
}
}
"""


def harness(header: str, top: str) -> str:
    """The C++ around `Vmodel`, whose ports are read from its generated header; RtlError when it has none."""
    lines = []
    for direction, _kind, name, high, low, _words in _PORT.findall(header):
        bits = int(high) - int(low) + 1
        lines.append(
            f'  h->ports[p++] = {{"{name}", {bits}u, static_cast<uint32_t>(sizeof(h->top->{name})),'
            f" {str(direction == 'IN').lower()}, &h->top->{name}}};"
        )
    if not lines:
        raise RtlError(f"{top}: Verilator's header names no port; a top with a clock is needed")
    return _CODE.replace("@COUNT@", str(len(lines))).replace("@PORTS@", "\n".join(lines))
