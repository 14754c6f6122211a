// Read values of a column from open files and their CRC-32 while they are in the processor's cache.
// A plain shared library: see Rows. Only where the processor multiplies without carries; elsewhere
// Python and zlib do the same.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>
#if defined(__x86_64__) && !defined(_WIN32)
#include <fcntl.h>
#include <immintrin.h>
#include <unistd.h>

#include "threads.h"

namespace {

struct Rows {
    int64_t count, width;   // values, and bytes of each
    const int64_t *files;   // (count) open files
    const int64_t *places;  // (count) first bytes in them
    uint8_t *to;            // (count, width)
    uint32_t *sums;         // (count) CRC-32
    int64_t threads;
};

#define CRC __attribute__((target("pclmul,sse4.1")))

uint32_t bytewise(uint32_t crc, const uint8_t *from, size_t length) {
    for (size_t i = 0; i < length; i++) {
        crc ^= from[i];
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1)));
    }
    return crc;
}

CRC inline __m128i load(const uint8_t *from) { return _mm_loadu_si128((const __m128i *)from); }
CRC inline __m128i fold(__m128i x, __m128i by, __m128i next) {
    return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(x, by, 0x00), _mm_clmulepi64_si128(x, by, 0x11)), next);
}

// Gopal et al., Fast CRC Computation for Generic Polynomials Using PCLMULQDQ (Intel, 2009): four
// remainders of 16 bytes, then one, then Barrett's reduction to 32 bits.
CRC uint32_t crc32(const uint8_t *from, size_t length) {
    uint32_t crc = ~0u;
    if (length >= 64) {
        const __m128i four = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
        const __m128i one = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
        const __m128i last = _mm_set_epi64x(0x01f7011641, 0x01db710641);
        const __m128i low = _mm_setr_epi32(~0, 0, ~0, 0);
        __m128i x[4];
        for (int i = 0; i < 4; i++) x[i] = load(from + 16 * i);
        x[0] = _mm_xor_si128(x[0], _mm_cvtsi32_si128(int(crc)));
        for (from += 64, length -= 64; length >= 64; from += 64, length -= 64)
            for (int i = 0; i < 4; i++) x[i] = fold(x[i], four, load(from + 16 * i));
        __m128i rest = x[0];
        for (int i = 1; i < 4; i++) rest = fold(rest, one, x[i]);
        for (; length >= 16; from += 16, length -= 16) rest = fold(rest, one, load(from));
        rest = _mm_xor_si128(_mm_srli_si128(rest, 8), _mm_clmulepi64_si128(rest, one, 0x10));
        __m128i high = _mm_srli_si128(rest, 4);
        rest = _mm_clmulepi64_si128(_mm_and_si128(rest, low), _mm_set_epi64x(0, 0x0163cd6124), 0x00);
        rest = _mm_xor_si128(rest, high);
        high = _mm_clmulepi64_si128(_mm_and_si128(rest, low), last, 0x10);
        high = _mm_clmulepi64_si128(_mm_and_si128(high, low), last, 0x00);
        crc = uint32_t(_mm_extract_epi32(_mm_xor_si128(rest, high), 1));
    }
    return ~bytewise(crc, from, length);
}

// Values `first` and after, up to `last`; false where a file ends before, or cannot be read.
bool read(const Rows &job, int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++) {
        uint8_t *to = job.to + i * job.width;
        for (int64_t have = 0; have < job.width;) {
            ssize_t more = pread(int(job.files[i]), to + have, size_t(job.width - have), job.places[i] + have);
            if (more <= 0) return false;
            have += more;
        }
        job.sums[i] = crc32(to, size_t(job.width));
    }
    return true;
}

}  // namespace

// Whether this processor can do it.
extern "C" int finereel_reads() {
    __builtin_cpu_init();
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}

// Reads `job`; 0, or 1 where a value cannot be read.
extern "C" int finereel_read(const Rows *job) {
#ifdef POSIX_FADV_WILLNEED  // a disk gets all wishes at once
    for (int64_t i = 0; i < job->count; i++)
        posix_fadvise(int(job->files[i]), job->places[i], job->width, POSIX_FADV_WILLNEED);
#endif
    int64_t threads = std::max<int64_t>(1, std::min(job->threads, job->count));
    std::vector<uint8_t> sound(size_t(threads), 0);
    auto run = [&](int64_t part) {
        sound[size_t(part)] = read(*job, job->count * part / threads, job->count * (part + 1) / threads);
    };
    share_out(threads, run);
    return std::find(sound.begin(), sound.end(), 0) != sound.end();
}
#else
extern "C" int finereel_reads() { return 0; }
extern "C" int finereel_read(const void *) { return 1; }
#endif
