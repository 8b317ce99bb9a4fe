// Vectors of the widest registers that this instruction set has, written once with the compiler's vector extension.
//
// Only the fused multiply-add, minimum and maximum name an instruction set: contraction is switched off (-ffp-contract=off), so that every
// expression rounds in the same way wherever it is inlined. Results of a row then do not depend on the rows beside it.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace throughtime::THROUGHTIME_ISA {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64, accumulators = 24, widest = 6;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32, accumulators = 12, widest = 4;
#else
constexpr int vector_bytes = 16, accumulators = 12, widest = 4;
#endif
// `accumulators`: vectors held in registers by a product, beside its operands. `widest`: vectors of a panel.

template <class T>
struct vec_of;
template <>
struct vec_of<float> {
  typedef float type __attribute__((vector_size(vector_bytes)));
  typedef uint32_t bits __attribute__((vector_size(vector_bytes)));
};
template <>
struct vec_of<double> {
  typedef double type __attribute__((vector_size(vector_bytes)));
  typedef uint64_t bits __attribute__((vector_size(vector_bytes)));
};
template <class T>
using Vec = typename vec_of<T>::type;
template <class T>
using Bits = typename vec_of<T>::bits;
template <class T>
constexpr int lanes = vector_bytes / int(sizeof(T));

template <class T>
inline Vec<T> broadcast(T value) {
  return value - Vec<T>{};  // x - 0 is x for every x, -0 and NaN too
}

#if defined(__AVX512F__)
inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return _mm512_fmadd_ps(a, b, c); }
inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return _mm512_fmadd_pd(a, b, c); }
#elif defined(__AVX2__)
inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return _mm256_fmadd_ps(a, b, c); }
inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return _mm256_fmadd_pd(a, b, c); }
#else
template <class V>
inline V fma(V a, V b, V c) {
  return a * b + c;
}
#endif

template <class T>
inline Vec<T> load(const T* from) {
  Vec<T> v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

template <class T>
inline void store(T* to, Vec<T> v) {
  std::memcpy(to, &v, sizeof v);
}

// The first `count` elements; the other lanes read as zero and are not written.
template <class T>
inline Vec<T> load(const T* from, int64_t count) {
  if (count >= lanes<T>) return load(from);
  Vec<T> v{};
  for (int64_t i = 0; i < count; i++) v[i] = from[i];
  return v;
}

template <class T>
inline void store(T* to, Vec<T> v, int64_t count) {
  if (count >= lanes<T>) return store(to, v);
  for (int64_t i = 0; i < count; i++) to[i] = v[i];
}

template <class T>
inline T sum_of(Vec<T> v) {
  T sum = 0;
  for (int i = 0; i < lanes<T>; i++) sum += v[i];
  return sum;
}

// How many elements of a vector there are, where the compiler should know that it is all of them.
struct Whole {
  constexpr operator int64_t() const { return 1 << 20; }
};
template <class T>
inline Vec<T> load(const T* from, Whole) {
  return load(from);
}
template <class T>
inline void store(T* to, Vec<T> v, Whole) {
  store(to, v);
}

// The first `count` elements; the other lanes are zero.
template <class V>
inline V first(V v, int64_t count) {
  for (int64_t i = count; i < int64_t(sizeof v / sizeof v[0]); i++) v[i] = 0;
  return v;
}
template <class V>
inline V first(V v, Whole) {
  return v;
}

// ---- exp, tanh and the logistic function ----------------------------------------------------------------------------
//
// exp(x) - 1 for |r| <= ln 2 / 2 is r + r^2 p(r), p a polynomial: for float Chebyshev's of degree 4 (relative error
// below 1e-8), for double Taylor's of degree 11 (below 1e-16). Then, with x = n ln 2 + r and s = 2^n,
//   exp(x) - 1 = s (exp(r) - 1) + (s - 1),  exp(x) = s (exp(r) - 1) + s,
//   tanh(x) = q / (q + 2) with q = exp(2 x) - 1,  logistic(x) = 1 / (1 + exp(-x)).
// Both are within 2.5 units of the last place of the result, float and double (tests/ops/test_math.py measures it, over
// every float in the long tests).

template <class T>
struct Exponential;

template <>
struct Exponential<float> {
  static constexpr float log2e = 1.44269504f, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
  static constexpr float round = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer and leaves that in the bits
  static constexpr int mantissa = 23;
  static constexpr uint32_t one = 0x3f800000;
  static constexpr float least = -87.0f, most = 88.0f;
  static constexpr float p[] = {0.5f, 0.166665435f, 0.0416662805f, 0.00836658385f, 0.00139464508f};
};

template <>
struct Exponential<double> {
  static constexpr double log2e = 1.4426950408889634, ln2_high = 0.693147180369123816490,
                          ln2_low = 1.90821492927058770002e-10;
  static constexpr double round = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr int mantissa = 52;
  static constexpr uint64_t one = 0x3ff0000000000000;
  static constexpr double least = -708.0, most = 709.0;
  static constexpr double p[] = {1 / 2.0,      1 / 6.0,       1 / 24.0,       1 / 120.0,       1 / 720.0,       1 / 5040.0,
                                 1 / 40320.0,  1 / 362880.0,  1 / 3628800.0,  1 / 39916800.0,  1 / 479001600.0,
                                 1 / 6227020800.0};
};

// s = 2^n and q = exp(r) - 1 for x = n ln 2 + r, x between `least` and `most`.
template <class T>
inline void reduce(Vec<T> x, Vec<T>& s, Vec<T>& q) {
  using E = Exponential<T>;
  Vec<T> shifted = fma(x, broadcast(E::log2e), broadcast(E::round));
  Vec<T> n = shifted - broadcast(E::round);
  Vec<T> r = fma(n, broadcast(-E::ln2_high), x);
  r = fma(n, broadcast(-E::ln2_low), r);
  constexpr int degree = sizeof E::p / sizeof(T) - 1;
  Vec<T> p = broadcast(E::p[degree]);
#pragma GCC unroll 16
  for (int i = degree - 1; i >= 0; i--) p = fma(p, r, broadcast(E::p[i]));
  q = fma(r * r, p, r);
  s = (Vec<T>)(((Bits<T>)shifted << E::mantissa) + E::one);
}

// The greater (the lesser) of a bound and x; x where it is NaN.
#if defined(__AVX512F__)
inline Vec<float> at_least(float bound, Vec<float> x) { return _mm512_max_ps(broadcast(bound), x); }
inline Vec<float> at_most(float bound, Vec<float> x) { return _mm512_min_ps(broadcast(bound), x); }
inline Vec<double> at_least(double bound, Vec<double> x) { return _mm512_max_pd(broadcast(bound), x); }
inline Vec<double> at_most(double bound, Vec<double> x) { return _mm512_min_pd(broadcast(bound), x); }
#elif defined(__AVX2__)
inline Vec<float> at_least(float bound, Vec<float> x) { return _mm256_max_ps(broadcast(bound), x); }
inline Vec<float> at_most(float bound, Vec<float> x) { return _mm256_min_ps(broadcast(bound), x); }
inline Vec<double> at_least(double bound, Vec<double> x) { return _mm256_max_pd(broadcast(bound), x); }
inline Vec<double> at_most(double bound, Vec<double> x) { return _mm256_min_pd(broadcast(bound), x); }
#else
template <class T, class V>
inline V at_least(T bound, V x) {
  return x < bound ? broadcast(bound) : x;
}
template <class T, class V>
inline V at_most(T bound, V x) {
  return x > bound ? broadcast(bound) : x;
}
#endif

// 1 / (1 + exp(-x)).
template <class T>
inline Vec<T> logistic(Vec<T> x) {
  Vec<T> s, q;
  reduce<T>(at_most(Exponential<T>::most, at_least(Exponential<T>::least, -x)), s, q);
  return T(1) / (fma(s, q, s) + T(1));
}

// tanh(x), exactly odd.
template <class T>
inline Vec<T> tanh(Vec<T> x) {
  constexpr T flat = sizeof(T) == 4 ? T(10) : T(20);  // beyond this tanh rounds to 1
  Vec<T> s, q;
  Bits<T> sign = (Bits<T>)x & (Bits<T>)broadcast(T(-0.0));
  Vec<T> magnitude = (Vec<T>)((Bits<T>)x ^ sign);
  reduce<T>(at_most(2 * flat, magnitude + magnitude), s, q);
  q = fma(s, q, s - T(1));
  return (Vec<T>)((Bits<T>)(q / (q + T(2))) | sign);
}

}  // namespace throughtime::THROUGHTIME_ISA
