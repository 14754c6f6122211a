// The first look of a search: one int8 query against many int8 vectors, of which the best are kept.
// Memory is what it waits for. A plain shared library: see Scan.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <exception>
#include <limits>
#include <vector>

#include "sets.h"
#include "threads.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

const int64_t BLOCK = 4096;  // vectors that a thread takes at a time

struct Scan {
    const int8_t *vectors;  // (all, width) from -127 to 127
    const float *scales;    // (all) what 1 in a vector is worth
    const float *bias;      // (all) added to the scores, or null
    const int64_t *rows;    // (count) ascending: the vectors to look at; null for the first `count`
    const int8_t *query;    // (width)
    int64_t count, width;   // width: a multiple of 64, zeros at the end
    int64_t keep;           // how many of the best, at most `count`
    float length;           // what 1 in the query is worth
    int64_t *places;        // (keep) the best vectors, best first; of equal ones the first
    int64_t threads;
};

struct Found {
    float score;
    int64_t place;
};

bool better(const Found &a, const Found &b) {
    return a.score > b.score || (a.score == b.score && a.place < b.place);
}

// The best of what came so far; what is not above `least` is passed over.
struct Best {
    size_t keep;
    std::vector<Found> found;
    float least = -std::numeric_limits<float>::infinity();

    explicit Best(int64_t most) : keep(most) { found.reserve(2 * keep); }
    void trim() {
        if (found.size() <= keep) return;
        std::nth_element(found.begin(), found.begin() + keep - 1, found.end(), better);
        found.resize(keep);
        least = found.back().score;
    }
    void add(float score, int64_t place) {
        if (found.size() == 2 * keep) trim();
        found.push_back({score, place});
    }
};

struct Broken : std::exception {};  // a score that is no number

}  // namespace

#define FN static inline __attribute__((always_inline)) TARGET
#define BODY                                                                                      \
    TARGET static void work(const Scan &scan, std::atomic<int64_t> &next, Best &best) {                  \
        int32_t total = 0;                                                                        \
        for (int64_t i = 0; i < scan.width; i++) total += scan.query[i];                          \
        for (int64_t start; (start = BLOCK * next++) < scan.count;)                               \
            for (int64_t i = start; i < std::min(start + BLOCK, scan.count); i++) {               \
                const int64_t at = scan.rows ? scan.rows[i] : i;                                  \
                float score = scan.length * scan.scales[at] *                                     \
                              float(dot(scan.vectors + at * scan.width, scan.query, scan.width, total)); \
                if (scan.bias) score += scan.bias[at];                                            \
                if (score <= best.least) continue;                                                \
                if (std::isnan(score)) throw Broken();                                            \
                best.add(score, at);                                                              \
            }                                                                                     \
    }

#define TARGET
namespace plain {
FN int32_t dot(const int8_t *a, const int8_t *b, int64_t width, int32_t) {
    int32_t sum = 0;
    for (int64_t i = 0; i < width; i++) sum += int32_t(a[i]) * b[i];
    return sum;
}
BODY
}  // namespace plain
#undef TARGET

#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2")))
namespace avx2 {
// Of -127 to 127 a pair of products fits 16 bits.
FN __m256i product(const int8_t *a, const int8_t *b) {
    const __m256i x = _mm256_loadu_si256((const __m256i *)a), y = _mm256_loadu_si256((const __m256i *)b);
    return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(y, x)), _mm256_set1_epi16(1));
}
FN int32_t dot(const int8_t *a, const int8_t *b, int64_t width, int32_t) {
    __m256i low = _mm256_setzero_si256(), high = low;
    for (int64_t i = 0; i < width; i += 64) {
        low = _mm256_add_epi32(low, product(a + i, b + i));
        high = _mm256_add_epi32(high, product(a + i + 32, b + i + 32));
    }
    low = _mm256_add_epi32(low, high);
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1)));
}
BODY
}  // namespace avx2
#undef TARGET
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
namespace avx512 {
// The instruction takes one side unsigned: 128 is added to the vector and taken off the sum again.
FN __m512i more(__m512i sum, const int8_t *a, const int8_t *b) {
    const __m512i shifted = _mm512_xor_si512(_mm512_loadu_si512(a), _mm512_set1_epi8(int8_t(-128)));
    return _mm512_dpbusd_epi32(sum, shifted, _mm512_loadu_si512(b));
}
FN int32_t dot(const int8_t *a, const int8_t *b, int64_t width, int32_t total) {
    __m512i low = _mm512_setzero_si512(), high = low;
    int64_t i = 0;
    for (; i + 128 <= width; i += 128) {
        low = more(low, a + i, b + i);
        high = more(high, a + i + 64, b + i + 64);
    }
    if (i < width) low = more(low, a + i, b + i);
    return _mm512_reduce_add_epi32(_mm512_add_epi32(low, high)) - 128 * total;
}
BODY
}  // namespace avx512
#undef TARGET
#endif

namespace {
typedef void (*Work)(const Scan &, std::atomic<int64_t> &, Best &);

// From the widest.
const std::vector<Set<Work>> &sets() {
    static const std::vector<Set<Work>> known = serving<Work>({
#if defined(__x86_64__)
        {"avx512", avx512::work},
        {"avx2", avx2::work},
#endif
        {"plain", plain::work},
    });
    return known;
}
}  // namespace

// The name of instruction set `number` of this processor, null after the last.
extern "C" const char *finereel_scan_set(int64_t number) { return name_of(sets(), number); }

// Looks with instruction set `number`; 0, 1 where memory ran out, 2 where a score is no number.
extern "C" int finereel_scan(const Scan *scan, int64_t number) {
    std::atomic<int64_t> next{0};
    std::atomic<int> failed{0};
    try {
        std::vector<Best> best;
        const int64_t threads =
            std::max<int64_t>(1, std::min(scan->threads, (scan->count + BLOCK - 1) / BLOCK));
        for (int64_t i = 0; i < threads; i++) best.emplace_back(scan->keep);
        auto run = [&](int64_t i) {
            try {
                sets()[number].work(*scan, next, best[i]);
            } catch (const Broken &) {
                failed = 2;
            } catch (const std::exception &) {
                failed = 1;
            }
        };
        share_out(threads, run);
        if (failed) return failed;
        std::vector<Found> all;
        for (auto &one : best) all.insert(all.end(), one.found.begin(), one.found.end());
        if (int64_t(all.size()) < scan->keep) return 2;  // negative infinity is no score either
        std::partial_sort(all.begin(), all.begin() + scan->keep, all.end(), better);
        for (int64_t i = 0; i < scan->keep; i++) scan->places[i] = all[i].place;
        return 0;
    } catch (const std::exception &) {
        return 1;
    }
}
