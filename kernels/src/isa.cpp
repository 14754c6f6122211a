// Bi-ISA of UCoFiA (finereel.models.heads.ucofia, `patch_word`) for texts of any length, without
// padding. One call scores all pairs of texts and clips, or chosen ones, of float32 features, of
// int16 ones, or of similarities that were made elsewhere. A plain shared library: see Job.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "sets.h"
#include "threads.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

const float PER_UNIT = 144.26950408889634f;  // 1 / (τ ln 2): e^(x/τ) = 2^(x * 144.3)
const float REACH = 100.0f;                  // powers of two from -REACH to REACH need no maximum taken off
const float TINY = 1.17549435e-38f;
const int32_t PLACES[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
const int GROUP = 96;  // words whose similarities are made at once

// A learned matrix, centred and times PER_UNIT. wide: some entry is beyond REACH.
struct Mixing {
    const float *data;
    int64_t stride;
    int64_t wide;
};

struct Job {
    int64_t texts, clips;
    int64_t most_words, most_patches, depth;  // depth: numbers of 4 bytes in a vector; no words: see row
    const int64_t *starts;                    // (texts + 1) first row of each text
    const int64_t *counts;                    // (clips) real patches of each clip
    const float *words;                       // (rows, depth) float32, or two int16 in each
    const float *patches;                     // (clips, most_patches, depth)
    const float *word_scales;                 // (rows) value of 1 in int16, null for float32
    const float *patch_scales;                // (clips, most_patches), and 15 more numbers to read
    const float *similarities;                // (rows, row) instead of words and patches, or null
    int64_t row;                              // most_words = 0: (texts, row) of frames, over_patches alone
    int64_t few;                              // words are few, and every clip meets all of them
    const uint16_t *halves;                   // patches in half precision instead of float32, beside `few`
    const int64_t *chosen;                    // texts to score of each clip, or null for all
    const int64_t *chosen_starts;             // (clips + 1)
    Mixing over_patches, over_words, over_patch_words, over_word_patches;  // over_words is turned
    float *out;                               // (clips, texts), or one number for each of `chosen`
    int64_t threads;
};

}  // namespace

#define FN static inline __attribute__((always_inline)) TARGET

namespace plain {
#define LANES 4
#define ROWS 4
#define WORDS 2
#define TARGET
typedef int16_t shorts __attribute__((vector_size(16)));
typedef int32_t longs __attribute__((vector_size(16)));
static inline longs dot(longs total, longs a, longs b) {
    longs low = ((a << 16) >> 16) * ((b << 16) >> 16);
    return total + low + (a >> 16) * (b >> 16);
}
#include "body.inc"
#undef LANES
#undef ROWS
#undef WORDS
#undef TARGET
}  // namespace plain

#if defined(__x86_64__)
namespace avx2 {
#define LANES 8
#define ROWS 4
#define WORDS 2
#define TARGET __attribute__((target("avx2,fma")))
typedef int32_t longs __attribute__((vector_size(32), aligned(4), may_alias));
FN longs dot(longs total, longs a, longs b) {
    return total + (longs)_mm256_madd_epi16((__m256i)a, (__m256i)b);
}
#include "body.inc"
#undef LANES
#undef ROWS
#undef WORDS
#undef TARGET
}  // namespace avx2
namespace avx512 {
#define LANES 16
#define ROWS 8
#define WORDS 6
#define OWN
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,fma")))
typedef int32_t longs __attribute__((vector_size(64), aligned(4), may_alias));
FN longs dot(longs total, longs a, longs b) {
    return (longs)_mm512_dpwssd_epi32((__m512i)total, (__m512i)a, (__m512i)b);
}
// maskz: the plain forms of these warn of uninitialized values in GCC 12, and are the same instructions.
FN __m512 pairs(__m512 a, __m512 b) { return _mm512_maskz_unpacklo_ps(-1, a, b) + _mm512_maskz_unpackhi_ps(-1, a, b); }
// The sums of four registers.
template <class V>
FN void sums(const V *x, float *to) {
    __m512d ab = (__m512d)pairs((__m512)x[0], (__m512)x[1]), cd = (__m512d)pairs((__m512)x[2], (__m512)x[3]);
    __m512 all = (__m512)_mm512_maskz_unpacklo_pd(-1, ab, cd) + (__m512)_mm512_maskz_unpackhi_pd(-1, ab, cd);
    __m256 half = (__m256)_mm512_maskz_extractf64x4_pd(-1, (__m512d)all, 0) +
                  (__m256)_mm512_maskz_extractf64x4_pd(-1, (__m512d)all, 1);
    _mm_storeu_ps(to, _mm256_castps256_ps128(half) + _mm256_extractf128_ps(half, 1));
}
FN __m512 widened(const uint16_t *from) { return _mm512_maskz_cvtph_ps(-1, _mm256_loadu_si256((const __m256i *)from)); }
#include "body.inc"
#undef LANES
#undef ROWS
#undef WORDS
#undef TARGET
#undef OWN
}  // namespace avx512
#endif

namespace {
typedef void (*Work)(const Job &, std::atomic<int64_t> &);

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
extern "C" const char *finereel_set(int64_t number) { return name_of(sets(), number); }

// Scores `job` with instruction set `number`; 0, or 1 where memory or threads ran out.
extern "C" int finereel_score(const Job *job, int64_t number) {
    std::atomic<int64_t> next{0};
    std::atomic<int> failed{0};
    auto run = [&](int64_t) {
        try {
            sets()[number].work(*job, next);
        } catch (const std::exception &) {
            failed = 1;
        }
    };
    share_out(std::max<int64_t>(1, std::min(job->threads, job->clips)), run);
    return failed;
}
