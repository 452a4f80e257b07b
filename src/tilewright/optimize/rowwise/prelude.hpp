typedef float VF __attribute__((vector_size(VECTOR * 4)));
typedef int VI __attribute__((vector_size(VECTOR * 4)));
typedef long VL __attribute__((vector_size(VECTOR * 8)));
typedef unsigned short bf16_bits;
struct bf16 { bf16_bits bits; };
struct f16 { _Float16 value; };
struct truth { signed char value; };
enum { W = VECTOR };
#define INLINE_MEMBER inline __attribute__((always_inline))
#define INLINE static INLINE_MEMBER
template <int n> struct Lanes { static constexpr int value = n; };
template <class T> struct raw { typedef T type __attribute__((vector_size(W * sizeof(T)))); };
template <class To, class From> INLINE To bits(From x) { To y; __builtin_memcpy(&y, &x, sizeof y); return y; }

INLINE VF F(float c) { return c - VF{}; }
INLINE VI I(int c) { return c - VI{}; }
INLINE VL L(long c) { return c - VL{}; }
INLINE VI M(bool c) { return I(-int(c)); }
INLINE VI mask(VI m) { return m; }
INLINE VI mask(VL m) { return __builtin_convertvector(m, VI); }
INLINE bool mask(bool m) { return m; }
INLINE VF select(VI m, VF a, VF b) { return m ? a : b; }
INLINE VI select(VI m, VI a, VI b) { return m ? a : b; }
INLINE VL select(VI m, VL a, VL b) { return __builtin_convertvector(m, VL) ? a : b; }
INLINE double select(bool m, double a, double b) { return m ? a : b; }
INLINE long select(bool m, long a, long b) { return m ? a : b; }
INLINE VI positions() { VI r; for (int l = 0; l < W; ++l) r[l] = l; return r; }
// A NaN in either operand is the result, as in torch.
INLINE VF tw_max(VF a, VF b) { return ((a > b) | (a != a)) ? a : b; }
INLINE VF tw_min(VF a, VF b) { return ((a < b) | (a != a)) ? a : b; }
template <class V> INLINE V tw_max(V a, V b) { return a > b ? a : b; }
template <class V> INLINE V tw_min(V a, V b) { return a < b ? a : b; }
INLINE double tw_max(double a, double b) { return a > b || a != a ? a : b; }
INLINE double tw_min(double a, double b) { return a < b || a != a ? a : b; }
INLINE VI tw_not(VI a) { return ~a; }
INLINE bool tw_not(bool a) { return !a; }
INLINE VF tw_abs(VF a) { return bits<VF>(bits<VI>(a) & 0x7fffffff); }
INLINE double tw_abs(double a) { return __builtin_fabs(a); }
template <class V> INLINE V tw_abs(V a) { return a < 0 ? -a : a; }
INLINE VF sqrt_of(VF x) { VF r; for (int l = 0; l < W; ++l) r[l] = __builtin_sqrtf(x[l]); return r; }

// Reading n lanes (the others are 0) and writing n lanes.
template <int n, class T> INLINE typename raw<T>::type lanes(const T* p) {
  typename raw<T>::type v{};
  __builtin_memcpy(&v, p, n * sizeof(T));
  return v;
}
template <int n> INLINE VF load(const float* p) { return lanes<n>(p); }
template <int n> INLINE VI load(const int* p) { return lanes<n>(p); }
template <int n> INLINE VL load(const long* p) { return lanes<n>(p); }
template <int n> INLINE VI load(const short* p) { return __builtin_convertvector(lanes<n>(p), VI); }
template <int n> INLINE VI load(const signed char* p) { return __builtin_convertvector(lanes<n>(p), VI); }
template <int n> INLINE VI load(const unsigned char* p) { return __builtin_convertvector(lanes<n>(p), VI); }
template <int n> INLINE VI load(const truth* p) { return -load<n>((const signed char*)p); }
template <int n> INLINE VF load(const bf16* p) {
  return bits<VF>(__builtin_convertvector(lanes<n>((const bf16_bits*)p), VI) << 16);
}
template <int n> INLINE VF load(const f16* p) {
  VF r{};
  for (int l = 0; l < n; ++l) r[l] = p[l].value;
  return r;
}
template <int n, class V> INLINE void store(void* p, V v) { __builtin_memcpy(p, &v, n * sizeof(v) / W); }
template <int n> INLINE void stream(float* p, VF v) {
#if STREAM && defined(__x86_64__) && defined(__AVX__)
  if (n == W && (unsigned long)p % sizeof v == 0) {  // past the cache: nobody reads the output soon
#if VECTOR == 16 && defined(__AVX512F__)
    asm volatile("vmovntps %1, %0" : "=m"(*(VF*)p) : "v"(v));
    return;
#elif VECTOR == 8
    asm volatile("vmovntps %1, %0" : "=m"(*(VF*)p) : "x"(v));
    return;
#endif
  }
#endif
  store<n>(p, v);
}
INLINE VI round_bits(VF x) {  // to the nearest bfloat16, ties to even; a NaN stays one
  VI b = bits<VI>(x), r = b + 0x7fff + ((b >> 16) & 1);
  return (x != x) ? (b | 0x400000) : r;
}
template <int n> INLINE void put(float* p, VF v) { stream<n>(p, v); }
template <int n> INLINE void put(bf16* p, VF v) {
  store<n>(p, __builtin_convertvector((round_bits(v) >> 16) & 0xffff, raw<bf16_bits>::type));
}
template <int n> INLINE void put(f16* p, VF v) { for (int l = 0; l < n; ++l) p[l].value = (_Float16)v[l]; }
template <int n> INLINE void put(int* p, VI v) { store<n>(p, v); }
template <int n> INLINE void put(long* p, VL v) { store<n>(p, v); }
template <int n> INLINE void put(short* p, VI v) { store<n>(p, __builtin_convertvector(v, raw<short>::type)); }
template <int n> INLINE void put(signed char* p, VI v) {
  store<n>(p, __builtin_convertvector(v, raw<signed char>::type));
}
template <int n> INLINE void put(unsigned char* p, VI v) {
  store<n>(p, __builtin_convertvector(v, raw<unsigned char>::type));
}
template <int n> INLINE void put(truth* p, VI v) { put<n>((signed char*)p, v & 1); }
INLINE VF tw_round_bfloat16(VF x) { return bits<VF>(round_bits(x) & (int)0xffff0000); }
INLINE VF tw_round_float16(VF x) { VF r; for (int l = 0; l < W; ++l) r[l] = (_Float16)x[l]; return r; }
INLINE double tw_round_bfloat16(double x) { return tw_round_bfloat16(F((float)x))[0]; }
INLINE double tw_round_float16(double x) { return (_Float16)(float)x; }
INLINE double get(const float* p) { return *p; }
INLINE double get(const bf16* p) { return load<1>(p)[0]; }
INLINE double get(const f16* p) { return p->value; }
INLINE bool get(const truth* p) { return p->value; }
template <class T> INLINE long get(const T* p) { return *p; }
INLINE void set(float* p, double v) { *p = v; }
INLINE void set(bf16* p, double v) { put<1>(p, F(v)); }
INLINE void set(f16* p, double v) { p->value = (_Float16)(float)v; }
INLINE void set(truth* p, bool v) { p->value = v; }
template <class T> INLINE void set(T* p, long v) { *p = v; }
template <int n, class T, class At> INLINE auto gather(const T* p, long j, At at) {
  T found[W] = {};
  for (int l = 0; l < n; ++l) found[l] = p[at(j + l)];
  return load<W>(found);
}
template <class At> INLINE VL columns(long j, At at) {
  VL r;
  for (int l = 0; l < W; ++l) r[l] = at(j + l);
  return r;
}
template <class T> INLINE void prefetch(const T* p) {
  if (PREFETCH) __builtin_prefetch((const char*)p + PREFETCH);
}

// Conversions between f (float), i (int32), l (int64) and b (truth value).
INLINE VF tw_i_to_f(VI a) { return __builtin_convertvector(a, VF); }
INLINE VF tw_l_to_f(VL a) { return __builtin_convertvector(a, VF); }
INLINE VF tw_b_to_f(VI a) { return a ? F(1) : F(0); }
INLINE VI tw_f_to_i(VF a) { return __builtin_convertvector(a, VI); }
INLINE VI tw_l_to_i(VL a) { return __builtin_convertvector(a, VI); }
INLINE VI tw_b_to_i(VI a) { return a & 1; }
INLINE VL tw_f_to_l(VF a) { return __builtin_convertvector(a, VL); }
INLINE VL tw_i_to_l(VI a) { return __builtin_convertvector(a, VL); }
INLINE VL tw_b_to_l(VI a) { return __builtin_convertvector(a & 1, VL); }
INLINE VI tw_f_to_b(VF a) { return a != 0; }
INLINE VI tw_i_to_b(VI a) { return a != 0; }
INLINE VI tw_l_to_b(VL a) { return mask(a != 0); }
INLINE double tw_i_to_f(long a) { return a; }
INLINE double tw_l_to_f(long a) { return a; }
INLINE double tw_b_to_f(bool a) { return a; }
INLINE long tw_f_to_i(double a) { return (int)a; }
INLINE long tw_l_to_i(long a) { return (int)a; }
INLINE long tw_b_to_i(bool a) { return a; }
INLINE long tw_f_to_l(double a) { return (long)a; }
INLINE long tw_i_to_l(long a) { return a; }
INLINE long tw_b_to_l(bool a) { return a; }
INLINE bool tw_f_to_b(double a) { return a != 0; }
INLINE bool tw_i_to_b(long a) { return a != 0; }
INLINE bool tw_l_to_b(long a) { return a != 0; }
INLINE VI tw_wrap_int8(VI a) { return (a << 24) >> 24; }
INLINE VI tw_wrap_int16(VI a) { return (a << 16) >> 16; }
INLINE VI tw_wrap_uint8(VI a) { return a & 255; }
INLINE long tw_wrap_int8(long a) { return (signed char)a; }
INLINE long tw_wrap_int16(long a) { return (short)a; }
INLINE long tw_wrap_uint8(long a) { return (unsigned char)a; }

// Reductions over columns: UNROLL independent vectors, folded into one double (or long) every 512 columns, so that no
// float sum grows long; with WIDE_SUMS, doubles throughout.
template <int n> struct Tree {
  static INLINE_MEMBER double sum(const double* t) { return Tree<n / 2>::sum(t) + Tree<n - n / 2>::sum(t + n / 2); }
};
template <> struct Tree<1> { static INLINE_MEMBER double sum(const double* t) { return t[0]; } };
INLINE double sum_of(VF v) {
  double t[W];
  for (int l = 0; l < W; ++l) t[l] = v[l];
  return Tree<W>::sum(t);
}
INLINE long sum_of(VL v) { long s = 0; for (int l = 0; l < W; ++l) s += v[l]; return s; }
template <class V, class S, class Step> struct Reduce {
  V part[UNROLL];
  S total;
  INLINE_MEMBER Reduce() : total(Step::template neutral<S>()) { clear(); }
  INLINE_MEMBER void clear() { for (int u = 0; u < UNROLL; ++u) part[u] = Step::template neutral<V>(); }
  template <int n> INLINE_MEMBER void add(int u, V v) {
    if (n < W) v = select(positions() < n, v, Step::template neutral<V>());
    part[u] = Step::two(part[u], v);
  }
  INLINE_MEMBER void fold() {
    for (int u = 1; u < UNROLL; ++u) part[0] = Step::two(part[0], part[u]);
    total = Step::two(total, Step::template across<S>(part[0]));
    clear();
  }
  INLINE_MEMBER S result() { return total; }
};
#if WIDE_SUMS
typedef float HF __attribute__((vector_size(VECTOR * 2)));
typedef double HD __attribute__((vector_size(VECTOR * 4)));
struct Halves { HF low, high; };
INLINE HD widen(HF x) {
#if VECTOR == 16 && defined(__AVX512F__)
  HD y;
  asm("vcvtps2pd %1, %0" : "=v"(y) : "v"(x));  // g++ 12 would do it in four steps
  return y;
#else
  return __builtin_convertvector(x, HD);
#endif
}
struct Sum;
template <> struct Reduce<VF, double, Sum> {  // sums of floats are kept in double from the start
  HD low[UNROLL], high[UNROLL];
  double total;
  INLINE_MEMBER Reduce() : total(0) { for (int u = 0; u < UNROLL; ++u) low[u] = high[u] = HD{}; }
  template <int n> INLINE_MEMBER void add(int u, VF v) {
    if (n < W) v = select(positions() < n, v, F(0));
    const Halves h = bits<Halves>(v);
    low[u] += widen(h.low);
    high[u] += widen(h.high);
  }
  INLINE_MEMBER void fold() {}
  INLINE_MEMBER double result() {
    for (int u = 0; u < UNROLL; ++u) low[0] += u ? low[u] + high[u] : high[0];
    double t[W / 2];
    __builtin_memcpy(t, low, sizeof t);
    return Tree<W / 2>::sum(t);
  }
};
#endif
template <class T> INLINE T splat(double c);
template <> INLINE_MEMBER VF splat<VF>(double c) { return F(c); }
template <> INLINE_MEMBER VI splat<VI>(double c) { return I((int)c); }
template <> INLINE_MEMBER VL splat<VL>(double c) { return L((long)c); }
template <> INLINE_MEMBER double splat<double>(double c) { return c; }
template <> INLINE_MEMBER long splat<long>(double c) { return (long)c; }
template <> INLINE_MEMBER bool splat<bool>(double c) { return c != 0; }
#define ACROSS \
  template <class S, class V> static INLINE_MEMBER S across(V v) { \
    S s = v[0]; \
    for (int l = 1; l < W; ++l) s = two(s, (S)v[l]); \
    return s; \
  }
struct Sum {
  template <class T> static INLINE_MEMBER T neutral() { return splat<T>(0); }
  template <class T> static INLINE_MEMBER T two(T a, T b) { return a + b; }
  template <class S, class V> static INLINE_MEMBER S across(V v) { return sum_of(v); }
};
struct Prod {
  template <class T> static INLINE_MEMBER T neutral() { return splat<T>(1); }
  template <class T> static INLINE_MEMBER T two(T a, T b) { return a * b; }
  ACROSS
};
INLINE long far_off(bool low, long most) { return low ? -most - 1 : most; }
template <class T> struct Extreme {
  static INLINE_MEMBER T of(bool low) { return splat<T>(low ? -__builtin_inf() : __builtin_inf()); }
};
template <> struct Extreme<VI> { static INLINE_MEMBER VI of(bool low) { return I(far_off(low, __INT_MAX__)); } };
template <> struct Extreme<VL> { static INLINE_MEMBER VL of(bool low) { return L(far_off(low, __LONG_MAX__)); } };
template <> struct Extreme<long> { static INLINE_MEMBER long of(bool low) { return far_off(low, __LONG_MAX__); } };
struct Max {
  template <class T> static INLINE_MEMBER T neutral() { return Extreme<T>::of(true); }
  template <class T> static INLINE_MEMBER T two(T a, T b) { return tw_max(b, a); }
  ACROSS
};
struct Min {
  template <class T> static INLINE_MEMBER T neutral() { return Extreme<T>::of(false); }
  template <class T> static INLINE_MEMBER T two(T a, T b) { return tw_min(b, a); }
  ACROSS
};
struct Any {
  template <class T> static INLINE_MEMBER T neutral() { return splat<T>(0); }
  template <class T> static INLINE_MEMBER T two(T a, T b) { return a | b; }
  ACROSS
};
struct All {
  template <class T> static INLINE_MEMBER T neutral() { return ~splat<T>(0); }
  template <class T> static INLINE_MEMBER T two(T a, T b) { return a & b; }
  ACROSS
};
template <> INLINE_MEMBER bool All::neutral<bool>() { return true; }
template <class Step, class S> static S over_rows(const S* p, long rows) {  // in a fixed order: bitwise repeatable
  S lane[8];
  for (int l = 0; l < 8; ++l) lane[l] = Step::template neutral<S>();
  for (long r = 0; r < rows; ++r) lane[r % 8] = Step::two(lane[r % 8], p[r]);
  for (int l = 1; l < 8; ++l) lane[0] = Step::two(lane[0], lane[l]);
  return lane[0];
}

// One sweep over `length` columns: `step(column, accumulator, Lanes<n>)`, and `fold()` now and then.
template <long length, class Step, class Fold> INLINE void sweep(Step step, Fold fold) {
  constexpr long block = W * UNROLL, whole = length / block * block, vectors = length / W * W;
  constexpr long stretch = 512 / block * block;
  long j = 0;
  while (j < whole) {
    const long stop = j + stretch < whole ? j + stretch : whole;
    for (; j < stop; j += block) {
#pragma GCC unroll 8
      for (int u = 0; u < UNROLL; ++u) step(j + u * W, u, Lanes<W>{});
    }
    fold();
  }
  if constexpr (whole < length) {
    for (; j < vectors; j += W) step(j, 0, Lanes<W>{});
    if constexpr (vectors < length) step(vectors, 0, Lanes<length % W>{});
    fold();
  }
}

extern "C" int madvise(void*, unsigned long, int);
// Fresh memory comes in pages of 4 KiB, and each first touch of one is a trip through the kernel: ask for large ones.
// It helps programs that give freed memory back, which is the default; where freed memory is kept it changes nothing.
static void huge_pages(void* p, unsigned long bytes) {
  const unsigned long huge = 2ul << 20, start = (unsigned long)p;
  const unsigned long first = (start + huge - 1) & -huge, last = (start + bytes) & -huge;
  if (HUGE_PAGES && bytes >= 2 * huge && last > first) madvise((void*)first, last - first, 14);
}
