// Parts of one job on several threads: those of the OpenMP library that the program has loaded, as torch
// does, or else new ones. Its threads stay awake for a moment after each job and so begin at once; new
// ones share their processors with them, and on a virtual machine take a millisecond or two to begin.

#pragma once
#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>
#if defined(__linux__)
#include <dlfcn.h>
#include <unistd.h>
#endif

namespace {

typedef void (*Body)(void *);
typedef void (*Team)(Body, void *, unsigned threads, unsigned flags);

#if defined(__linux__)
const pid_t LOADED_BY = getpid();

// Runs a body on every thread of a team (GOMP_parallel of libgomp); null where there is none, and in a
// child of fork(), whose OpenMP library waits for threads that only its parent has.
inline Team team() {
    static const Team found = (Team)dlsym(RTLD_DEFAULT, "GOMP_parallel");
    return getpid() == LOADED_BY ? found : nullptr;
}
#else
inline Team team() { return nullptr; }
#endif

// Calls run(0), run(1) and so on up to `parts`, each once. They may not throw.
template <class Run>
void share_out(int64_t parts, Run &&run) {
    std::atomic<int64_t> next{0};
    auto own = [&] {
        for (int64_t part; (part = next++) < parts;) run(part);
    };
    if (Team together = parts > 1 ? team() : nullptr) {
        Body body = [](void *work) { (*static_cast<decltype(own) *>(work))(); };
        return together(body, &own, unsigned(parts), 0);
    }
    std::vector<std::thread> helpers;
    try {
        for (int64_t i = 1; i < parts; i++) helpers.emplace_back(own);
    } catch (const std::exception &) {  // fewer threads do the same work
    }
    own();
    for (auto &helper : helpers) helper.join();
}

}  // namespace
