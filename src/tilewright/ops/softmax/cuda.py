"""Softmax over rows in CUDA C++: the forward kernels and their launch.

A row lies packed in the registers of up to 1024 threads and is widened again for each of its three uses (maximum, sum,
output): 32 registers a thread then hold 32 entries of 16 bits, and two blocks of 1024 threads share a multiprocessor,
one loading while the other stores. Rows longer than that are walked twice with a running maximum and sum per thread.
"""

from __future__ import annotations

import torch

from ...build import cuda
from .._lib.launch import next_power_of_2

# Entries of a row that one thread holds: aimed at, and at most.
ENTRIES, MOST_ENTRIES = 16, 32
ELEMENTS = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}

SOURCE = r"""
// Defines: ELEMENT (0 float, 1 bf16, 2 fp16), CHUNK (entries of one load: 16 bytes of them, or 1), CHUNKS (of a
// thread), THREADS (of a row, a power of two from 32), ROWS (of a block; 1 unless a warp has a row to itself), BLOCKS
// (that a multiprocessor should hold).
#if ELEMENT == 0
typedef float element_t;
#else
typedef unsigned short element_t;
#endif
#if CHUNK > 1
typedef uint4 chunk_t;
#else
typedef element_t chunk_t;
#endif
constexpr float LOG2E = 1.44269504f, LEAST = -3.402823466e38f;

__device__ __forceinline__ float widen(unsigned bits) {
#if ELEMENT == 0
    return __uint_as_float(bits);
#elif ELEMENT == 1
    return __uint_as_float(bits << 16);
#else
    float wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"((unsigned short)bits));
    return wide;
#endif
}

// Two floats, rounded to nearest even and packed, the first below.
__device__ __forceinline__ unsigned narrow(float low, float high) {
    unsigned both;
#if ELEMENT == 1
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
#else
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
#endif
    return both;
}

struct Entries { float at[CHUNK]; };

__device__ __forceinline__ Entries unpack(chunk_t chunk) {
    Entries e;
#if CHUNK == 1 && ELEMENT == 0
    e.at[0] = chunk;
#elif CHUNK == 1
    e.at[0] = widen(chunk);
#else
    const unsigned words[4] = {chunk.x, chunk.y, chunk.z, chunk.w};
    #pragma unroll
    for (int i = 0; i < CHUNK; i++) e.at[i] = widen(CHUNK == 4 ? words[i] : words[i / 2] >> (i % 2 * 16) & 0xffff);
#endif
    return e;
}

__device__ __forceinline__ chunk_t pack(Entries e) {
#if CHUNK == 1 && ELEMENT == 0
    return e.at[0];
#elif CHUNK == 1
    return (element_t)narrow(e.at[0], 0.0f);
#elif ELEMENT == 0
    return make_uint4(__float_as_uint(e.at[0]), __float_as_uint(e.at[1]),
                      __float_as_uint(e.at[2]), __float_as_uint(e.at[3]));
#else
    return make_uint4(narrow(e.at[0], e.at[1]), narrow(e.at[2], e.at[3]),
                      narrow(e.at[4], e.at[5]), narrow(e.at[6], e.at[7]));
#endif
}

// Makes the compiler forget what it derived from a chunk, so that it keeps the packed form and not the wide one.
__device__ __forceinline__ void forget(chunk_t& chunk) {
#if CHUNK > 1
    asm volatile("" : "+r"(chunk.x), "+r"(chunk.y), "+r"(chunk.z), "+r"(chunk.w));
#elif ELEMENT == 0
    asm volatile("" : "+f"(chunk));
#else
    asm volatile("" : "+h"(chunk));
#endif
}

// L2 is asked to give up what was read later than what was written, so that stores leave for memory steadily.
__device__ __forceinline__ chunk_t held_load(const chunk_t* from) {
#if CHUNK > 1
    unsigned long long last;
    chunk_t chunk;
    asm("createpolicy.fractional.L2::evict_last.b64 %0;" : "=l"(last));
    asm("ld.global.L2::cache_hint.v4.u32 {%0, %1, %2, %3}, [%4], %5;"
        : "=r"(chunk.x), "=r"(chunk.y), "=r"(chunk.z), "=r"(chunk.w) : "l"(from), "l"(last));
    return chunk;
#else
    return *from;
#endif
}

__device__ __forceinline__ float power(float x, float top) { return exp2f((x - top) * LOG2E); }

template <bool MAXIMUM>
__device__ __forceinline__ float together(float a, float b) { return MAXIMUM ? fmaxf(a, b) : a + b; }

// The maximum or sum of `mine` over the threads of a row, in each of them. `shared` is used by one call alone.
template <bool MAXIMUM>
__device__ __forceinline__ float over_row(float mine, float* shared) {
    #pragma unroll
    for (int lane = 16; lane; lane /= 2) mine = together<MAXIMUM>(mine, __shfl_xor_sync(~0u, mine, lane));
    if (THREADS == 32) return mine;
    if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = mine;
    __syncthreads();
    mine = shared[threadIdx.x % 32 & (THREADS / 32 - 1)];
    #pragma unroll
    for (int lane = THREADS / 64; lane; lane /= 2) mine = together<MAXIMUM>(mine, __shfl_xor_sync(~0u, mine, lane));
    return mine;
}

extern "C" __global__ void __launch_bounds__(THREADS * ROWS, BLOCKS)
softmax_fwd(const element_t* x, element_t* y, long long M, long long N, long long x_stride) {
    __shared__ float tops[32], sums[32];
    const long long row = (long long)blockIdx.x * ROWS + threadIdx.y;
    if (row >= M) return;  // whole warps leave: a block of several rows has no barrier
    const chunk_t* in = (const chunk_t*)(x + row * x_stride);
    chunk_t* out = (chunk_t*)(y + row * N);
    const int chunks = (int)(N / CHUNK);
    chunk_t held[CHUNKS];
    #pragma unroll
    for (int i = 0; i < CHUNKS; i++) {
        const int at = threadIdx.x + i * THREADS;
        if (at < chunks) held[i] = held_load(in + at);
    }
    float top = -INFINITY_;
    #pragma unroll
    for (int i = 0; i < CHUNKS; i++) {
        if (threadIdx.x + i * THREADS >= chunks) break;
        const Entries e = unpack(held[i]);
        #pragma unroll
        for (int k = 0; k < CHUNK; k++) top = fmaxf(top, e.at[k]);
        forget(held[i]);
    }
    top = over_row<true>(top, tops);
    float sum = 0.0f;
    #pragma unroll
    for (int i = 0; i < CHUNKS; i++) {
        if (threadIdx.x + i * THREADS >= chunks) break;
        const Entries e = unpack(held[i]);
        #pragma unroll
        for (int k = 0; k < CHUNK; k++) sum += power(e.at[k], top);
        forget(held[i]);
    }
    const float scale = 1.0f / over_row<false>(sum, sums);
    #pragma unroll
    for (int i = 0; i < CHUNKS; i++) {
        const int at = threadIdx.x + i * THREADS;
        if (at >= chunks) break;
        Entries e = unpack(held[i]);
        #pragma unroll
        for (int k = 0; k < CHUNK; k++) e.at[k] = power(e.at[k], top) * scale;
        out[at] = pack(e);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS * ROWS)
softmax_fwd_long(const element_t* x, element_t* y, long long M, long long N, long long x_stride) {
    __shared__ float tops[32], sums[32];
    const chunk_t* in = (const chunk_t*)(x + blockIdx.x * x_stride);
    chunk_t* out = (chunk_t*)(y + blockIdx.x * N);
    const long long chunks = N / CHUNK;
    // The least float and not -inf: shifting by -inf, while nothing else was seen, would make NaN of a masked row.
    float top = LEAST, sum = 0.0f;
    for (long long at = threadIdx.x; at < chunks; at += THREADS) {
        const Entries e = unpack(held_load(in + at));
        const float before = top;
        #pragma unroll
        for (int k = 0; k < CHUNK; k++) top = fmaxf(top, e.at[k]);
        sum *= power(before, top);
        #pragma unroll
        for (int k = 0; k < CHUNK; k++) sum += power(e.at[k], top);
    }
    const float highest = over_row<true>(top, tops);
    const float scale = 1.0f / over_row<false>(sum * power(top, highest), sums);
    for (long long at = threadIdx.x; at < chunks; at += THREADS) {
        Entries e = unpack(in[at]);
        #pragma unroll
        for (int k = 0; k < CHUNK; k++) e.at[k] = power(e.at[k], highest) * scale;
        out[at] = pack(e);
    }
}
""".replace("-INFINITY_", "__int_as_float(0xff800000)")


def plan(x: torch.Tensor) -> tuple[str, tuple[int, int], dict[str, int]]:
    """Return the kernel for rows x (M, N), the threads of its blocks (of a row, rows) and what it is compiled with."""
    N, size = x.shape[1], x.element_size()
    whole = all(n * size % 16 == 0 for n in (N, x.stride(0))) and x.data_ptr() % 16 == 0
    chunk = 16 // size if whole else 1
    threads = min(1024, max(32, next_power_of_2(-(-N // ENTRIES))))
    chunks = -(-N // (threads * chunk))
    rows = 4 if threads == 32 else 1
    long = chunks * chunk > MOST_ENTRIES
    packed = chunk > 1 and size == 2  # two entries a register: 32 registers are enough
    return "softmax_fwd_long" if long else "softmax_fwd", (threads, rows), {
        "ELEMENT": ELEMENTS[x.dtype], "CHUNK": chunk, "CHUNKS": 1 if long else chunks, "THREADS": threads,
        "ROWS": rows, "BLOCKS": 2048 // (threads * rows) if packed else 1,
    }  # fmt: skip


def forward(x: torch.Tensor, y: torch.Tensor) -> None:
    """x (M, N) with a contiguous last axis -> y (M, N), contiguous, of the same dtype, on the current stream."""
    M, N = x.shape
    name, threads, defines = plan(x)
    kernel = cuda.kernel(SOURCE, name, x.device.index, **defines)
    kernel.launch(-(-M // threads[1]), threads, x, y, M, N, x.stride(0))
