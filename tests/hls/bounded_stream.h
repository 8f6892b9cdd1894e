// Stands in for hls_stream.h: FIFOs that hold no more than their depth, between threads. When every thread waits and
// none could go on, all of them stop: a deadlock.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

namespace bounded {
struct Stopped {};
static std::mutex mutex;
struct Waiter {
    std::function<bool()> could;
    std::condition_variable* changed;
};
static std::list<Waiter> waiting;
static unsigned running;
static bool dead;

static void look() {
    if (running == 0 || waiting.size() < running) return;
    for (auto& waiter : waiting)
        if (waiter.could()) return;
    dead = true;
    for (auto& waiter : waiting) waiter.changed->notify_all();
}
template <class Could>
void wait(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, Could could) {
    if (!could()) {
        const auto me = waiting.insert(waiting.end(), Waiter{could, &changed});
        look();
        changed.wait(lock, [&] { return dead || could(); });
        waiting.erase(me);
    }
    if (dead) throw Stopped();
}
// Runs every process in a thread of its own; false after a deadlock.
inline bool run(const std::vector<std::function<void()>>& processes) {
    std::vector<std::thread> threads;
    running = processes.size();
    for (auto& process : processes)
        threads.emplace_back([&process] {
            try {
                process();
            } catch (const Stopped&) {
            }
            std::unique_lock<std::mutex> lock(mutex);
            running--;
            look();
        });
    for (auto& thread : threads) thread.join();
    const bool fine = !dead;
    dead = false;
    return fine;
}
}  // namespace bounded

namespace hls {
template <class T>
class stream {
    std::deque<T> data_;
    size_t depth_;
    std::condition_variable changed_;

  public:
    explicit stream(size_t depth) : depth_(depth) {}
    void write(const T& value) {
        std::unique_lock<std::mutex> lock(bounded::mutex);
        bounded::wait(lock, changed_, [this] { return data_.size() < depth_; });
        data_.push_back(value);
        changed_.notify_all();
    }
    T read() {
        std::unique_lock<std::mutex> lock(bounded::mutex);
        bounded::wait(lock, changed_, [this] { return !data_.empty(); });
        const T value = data_.front();
        data_.pop_front();
        changed_.notify_all();
        return value;
    }
};
}  // namespace hls
