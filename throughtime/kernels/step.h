// One step of a layer, for streams: input and recurrent product, gates and state in one pass over the weights.
//
// Reading the weights is what a step of few rows costs, so they may be kept in 16 or 8 bits. What is computed is the same
// chain of multiply-adds as in the loops through time: with full weights, steps equal the whole bit for bit.
#pragma once

#include "loop.h"

namespace throughtime::THROUGHTIME_ISA {

struct Half {
  uint16_t bits;
};

template <class T>
inline Vec<T> widen(const T* from) {
  return load(from);
}

inline Vec<float> widen(const int8_t* from) {
#if defined(__AVX512F__)
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#elif defined(__AVX2__)
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
#else
  Vec<float> v;
  for (int i = 0; i < lanes<float>; i++) v[i] = from[i];
  return v;
#endif
}

inline float to_float(Half half) {
  const uint32_t sign = uint32_t(half.bits & 0x8000) << 16, magnitude = half.bits & 0x7fff;
  // Weights are neither infinite nor NaN. Denormals by arithmetic on normal floats, since denormal floats are flushed.
  float value = float(magnitude) * 0x1p-24f;
  uint32_t bits = (magnitude << 13) + 0x38000000;
  if (magnitude < 0x400) std::memcpy(&bits, &value, sizeof bits);
  bits |= sign;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline Half to_half(float value) {  // to nearest, ties to even
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const uint32_t sign = bits >> 16 & 0x8000;
  float magnitude = value < 0 ? -value : value;
  if (magnitude > 65504.0f) magnitude = 65504.0f;
  if (magnitude < 0x1p-14f) {  // denormal: a multiple of 2^-24, which adding 0.5 rounds to
    magnitude += 0.5f;
    std::memcpy(&bits, &magnitude, sizeof bits);
    return {uint16_t(sign | (bits - 0x3f000000))};
  }
  std::memcpy(&bits, &magnitude, sizeof bits);
  bits += 0xfff + (bits >> 13 & 1);
  return {uint16_t(sign | ((bits - 0x38000000) >> 13))};
}

inline Vec<float> widen(const Half* from) {
#if defined(__AVX512F__)
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
#elif defined(__F16C__)
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
#else
  Vec<float> v;
  for (int i = 0; i < lanes<float>; i++) v[i] = to_float(from[i]);
  return v;
#endif
}

// The vectors of one row times a panel of weights kept as W.
template <class T, class W, int vectors>
void row_tile(const T* in, const W* panel, int64_t depth, T* out) {
  Vec<T> sum[vectors];
#pragma GCC unroll 8
  for (int v = 0; v < vectors; v++) sum[v] = Vec<T>{};
  for (int64_t k = 0; k < depth; k++) {
    const Vec<T> x = broadcast(in[k]);
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) sum[v] = fma(x, widen(panel + v * lanes<T>), sum[v]);
    panel += vectors * lanes<T>;
  }
#pragma GCC unroll 8
  for (int v = 0; v < vectors; v++) store(out + v * lanes<T>, sum[v]);
}

template <class T, class W>
void row_tile(int64_t vectors, const T* in, const W* panel, int64_t depth, T* out) {
  switch (vectors) {
    case 1: return row_tile<T, W, 1>(in, panel, depth, out);
    case 2: return row_tile<T, W, 2>(in, panel, depth, out);
    case 3: return row_tile<T, W, 3>(in, panel, depth, out);
    case 4: return row_tile<T, W, 4>(in, panel, depth, out);
    case 5: if constexpr (widest >= 5) return row_tile<T, W, 5>(in, panel, depth, out); break;
    case 6: if constexpr (widest >= 6) return row_tile<T, W, 6>(in, panel, depth, out); break;
  }
  __builtin_unreachable();
}

template <class C, class T, class W>
class Stepping {
 public:
  Stepping(const Step<T>& s) : s(s), panels(s.hidden, C::gates, s.hidden) {}

  void run(int64_t first, int64_t last) const {
    alignas(64) T x[largest_tile * lanes<T>], u[largest_tile * lanes<T>];
    for (int64_t panel = first; panel < last; panel++)
      for (int64_t row = 0; row < s.batch; row++) {
        product(s.input, panel, s.symbols ? nullptr : s.x + row * s.input.depth, s.symbols ? s.symbols[row] : 0, x);
        product(s.recurrent, panel, s.h + row * s.hidden, 0, u);
        for (int64_t b = 0; b < panels.blocks.length(panel); b++)
          update(row, panels.first_block(panel) + b, x + b * G * lanes<T>, u + b * G * lanes<T>);
      }
  }

 private:
  static constexpr int G = C::gates;
  const Step<T>& s;
  const Panels<T> panels;

  void product(const StepMatrix<T>& matrix, int64_t panel, const T* in, int64_t symbol, T* out) const {
    const int64_t vectors = panels.vectors(panel), column = panels.first_block(panel) * G * lanes<T>;
    const W* weights = static_cast<const W*>(matrix.packed) + column * matrix.depth;
    if (in) {
      row_tile<T, W>(vectors, in, weights, matrix.depth, out);
    } else {
      for (int64_t v = 0; v < vectors; v++) store(out + v * lanes<T>, widen(weights + (symbol * vectors + v) * lanes<T>));
    }
    for (int64_t v = 0; v < vectors; v++) {
      const int64_t at = column + v * lanes<T>;
      Vec<T> sum = load(out + v * lanes<T>);
      if (matrix.scales) sum *= load(matrix.scales + at);
      if (matrix.bias) sum += load(matrix.bias + at);
      store(out + v * lanes<T>, sum);
    }
  }

  void update(int64_t row, int64_t block, const T* products_x, const T* products_u) const {
    const int64_t unit = block * lanes<T>, own = row * s.hidden + unit, left = s.hidden - unit;
    Vec<T> x[G], u[G], state[C::states], saved[C::saved + 1];
    for (int g = 0; g < G; g++) x[g] = load(products_x + g * lanes<T>), u[g] = load(products_u + g * lanes<T>);
    state[0] = load(s.h + own, left);
    if (C::states == 2) state[C::states - 1] = load(s.c + own, left);
    C::forward(x, u, state, saved);
    store(s.h_next + own, state[0], left);
    if (C::states == 2) store(s.c + own, state[C::states - 1], left);
  }
};

template <class T, class W>
void step(Cell cell, const Step<T>& s, int64_t first, int64_t last) {
  switch (cell) {
    case Cell::elman_tanh: return Stepping<Elman<T, false>, T, W>(s).run(first, last);
    case Cell::elman_relu: return Stepping<Elman<T, true>, T, W>(s).run(first, last);
    case Cell::lstm: return Stepping<Lstm<T>, T, W>(s).run(first, last);
    case Cell::gru: return Stepping<Gru<T>, T, W>(s).run(first, last);
  }
}

template <class T>
void step(Cell cell, Precision precision, const Step<T>& s, int64_t first, int64_t last) {
  if constexpr (sizeof(T) == 4) {
    if (precision == Precision::float16) return step<T, Half>(cell, s, first, last);
    if (precision == Precision::int8) return step<T, int8_t>(cell, s, first, last);
  }
  step<T, T>(cell, s, first, last);
}

// Packed weights of `depth` x `columns` into fewer bits. int8: each column in units of its largest magnitude / 127.
inline void compress(Precision precision, const Source<float>& source, const float* packed, void* to, float* scales) {
  const Panels<float> panels(source);
  if (precision == Precision::float16) {
    for (int64_t i = 0; i < panels.size(); i++) static_cast<Half*>(to)[i] = to_half(packed[i]);
    return;
  }
  int8_t* bytes = static_cast<int8_t*>(to);
  for (int64_t panel = 0; panel < panels.count(); panel++) {
    const int64_t width = panels.vectors(panel) * lanes<float>, begin = panels.begin(panel);
    float* scale = scales + panels.first_block(panel) * source.groups * lanes<float>;
    for (int64_t j = 0; j < width; j++) {
      float most = 0;
      for (int64_t k = 0; k < source.depth; k++) {
        const float w = packed[begin + k * width + j], magnitude = w < 0 ? -w : w;
        if (magnitude > most) most = magnitude;
      }
      scale[j] = most > 0 ? most / 127 : 1;
      for (int64_t k = 0; k < source.depth; k++) {
        const float w = packed[begin + k * width + j] / scale[j];
        bytes[begin + k * width + j] = int8_t(w < 0 ? w - 0.5f : w + 0.5f);
      }
    }
  }
}

}  // namespace throughtime::THROUGHTIME_ISA
