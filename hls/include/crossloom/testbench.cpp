// Drives the top function as a host does and compares every beat: all frames in one run, a short and a long frame with
// a good one behind each, then, where load.txt is not empty, a load of the weights and all frames again.
//
// frames.txt and results.txt: a line a beat, 16 hexadecimal digits, in the folder that this runs in; load.txt likewise.
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "core_sizes.hpp"
#include "top.hpp"

using namespace crossloom;
typedef unsigned long long word;

static hls::stream<axis_t> to_core("to_core"), from_core("from_core");
static reg32_t status, loaded, done, short_frames, long_frames, identities[kIdentityWords];
static unsigned faults = 0;

static bool read_words(const char* name, std::vector<word>& words) {
    std::ifstream file(name);
    if (!file) {
        std::printf("FAIL: no file %s\n", name);
        return false;
    }
    std::string line;
    while (file >> line) words.push_back(std::stoull(line, nullptr, 16));
    return true;
}

static void expect(const char* what, word found, word wanted) {
    if (found == wanted) return;
    if (faults++ < 10) std::printf("FAIL: %s: %016llx instead of %016llx\n", what, found, wanted);
}

// `count` beats of a frame, from words[at] on; past `size` of them zeros; TLAST on the last.
static void put(const std::vector<word>& words, size_t at, size_t count, size_t size) {
    for (size_t i = 0; i < count; i++) {
        axis_t beat;
        beat.data = i < size ? words[at + i] : 0;
        beat.keep = -1;
        beat.strb = -1;
        beat.last = i + 1 == count;
        to_core.write(beat);
    }
}

static void call(reg32_t command, reg32_t frames) {
    crossloom_top(to_core, from_core, command, frames, status, loaded, done, short_frames, long_frames, identities);
}

static void take(const std::vector<word>& results, size_t frame, word frame_status, bool compare) {
    for (size_t i = 0; i < kResultBeats; i++) {
        if (from_core.empty()) {
            expect("beats of a result", i, kResultBeats);
            return;
        }
        const axis_t beat = from_core.read();
        const word data = beat.data.to_uint64();
        char where[80];
        std::snprintf(where, sizeof where, "frame %zu, beat %zu", frame, i);
        if (compare) expect(where, data, results[frame * kResultBeats + i]);
        if (i == 0) expect("status of a frame", (data >> kStatusLow) & 0xff, frame_status);
        expect("TLAST", beat.last.to_uint(), i + 1 == kResultBeats);
        expect("TKEEP", beat.keep.to_uint(), 0xff);
    }
}

static void all_frames(const std::vector<word>& frames, const std::vector<word>& results) {
    const size_t count = frames.size() / kFrameBeats;
    for (size_t i = 0; i < count; i++) put(frames, i * kFrameBeats, kFrameBeats, kFrameBeats);
    call(kRun, count);
    expect("status of a run", status.to_uint(), kOk);
    for (size_t i = 0; i < count; i++) take(results, i, kOk, true);
}

static void faulty_frame(const std::vector<word>& frames, const std::vector<word>& results, size_t beats, word wanted) {
    put(frames, 0, beats, kFrameBeats);
    put(frames, 0, kFrameBeats, kFrameBeats);
    call(kRun, 2);
    expect("status of a run with a fault", status.to_uint(), wanted);
    take(results, 0, wanted, false);
    take(results, 0, kOk, true);
}

int main() {
    std::vector<word> frames, results, load;
    if (!read_words("frames.txt", frames) || !read_words("results.txt", results) || !read_words("load.txt", load)) {
        return 1;
    }
    const size_t count = frames.size() / kFrameBeats;
    if (!count || frames.size() != count * kFrameBeats || results.size() != count * kResultBeats) {
        std::printf("FAIL: %zu beats of frames, %zu of results; made for another core\n", frames.size(), results.size());
        return 1;
    }
    all_frames(frames, results);
    if (kFrameBeats > 1) faulty_frame(frames, results, kFrameBeats - 1, kShort);
    faulty_frame(frames, results, kFrameBeats + 3, kLong);
    if (!load.empty()) {
        put(load, 0, load.size(), load.size());
        call(kLoad, 0);
        expect("status of a load", status.to_uint(), kOk);
        expect("loaded", loaded.to_uint(), 1);
        for (unsigned i = 0; i < kIdentityBeats; i++) {
            const reg32_t* words = identities + 4 * kIdentityBeats + 2 * i;
            expect("identity of the weights", words[0].to_uint64() | words[1].to_uint64() << 32, load[i]);
        }
        all_frames(frames, results);
    }
    if (!from_core.empty() || !to_core.empty()) expect("beats left over", 1, 0);
    std::printf(faults ? "FAIL: %u differences\n" : "PASS: %zu frames\n", faults ? faults : (unsigned)count);
    return faults != 0;
}
