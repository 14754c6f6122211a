// The same code for several instruction sets, of which a processor has some.

#pragma once
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <vector>

namespace {

template <class Work>
struct Set {
    const char *name;
    Work work;
};

// Whether this processor has what the code called `name` needs.
inline bool has(const char *name) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!std::strcmp(name, "avx512"))
        return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    if (!std::strcmp(name, "avx2")) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return !std::strcmp(name, "plain");
}

// Those that serve here, in their order.
template <class Work>
std::vector<Set<Work>> serving(std::initializer_list<Set<Work>> all) {
    std::vector<Set<Work>> found;
    for (const auto &one : all)
        if (has(one.name)) found.push_back(one);
    return found;
}

// The name of number `number`, null after the last.
template <class Work>
const char *name_of(const std::vector<Set<Work>> &sets, int64_t number) {
    return number < int64_t(sets.size()) ? sets[number].name : nullptr;
}

}  // namespace
