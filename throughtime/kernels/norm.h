// Layer norm of a product, gate by gate: mean 0 and variance 1 over the units, then scaled.
// Ba, Kiros & Hinton (2016), eq. 4.
#pragma once

#include "product.h"

namespace throughtime::THROUGHTIME_ISA {

// Calls body(unit, left) for every vector of units.
template <class T, class Body>
inline void each_vector(int64_t units, Body body) {
  int64_t unit = 0;
  for (; unit + lanes<T> <= units; unit += lanes<T>) body(unit, Whole());
  if (unit < units) body(unit, units - unit);
}

// A product that is no norm's business.
struct AsItIs {
  template <class V, class Left>
  V operator()(int, int64_t, V product, Left) const {
    return product;
  }
};

// What makes a row's product normal: its gates' moments. Where there is no scale the product stays as it is.
template <int gates, class T>
class Normal {
 public:
  // The gates of the product, [H] each, stand `stride` apart.
  Normal(const Norm<T>& norm, int64_t H, int64_t place, const T* product, int64_t stride)
      : norm(norm), H(H), kept(norm.normalised ? norm.normalised + place * gates * H : nullptr) {
    if (!norm.scale) return;
    Vec<T> sum[gates]{}, squares[gates]{};  // the gates side by side: a single sum would wait for itself
    each_vector<T>(H, [&](int64_t unit, auto left) __attribute__((always_inline)) {
      for (int g = 0; g < gates; g++) sum[g] += load(product + g * stride + unit, left);
    });
    for (int g = 0; g < gates; g++) mean[g] = sum_of<T>(sum[g]) / T(H);
    each_vector<T>(H, [&](int64_t unit, auto left) __attribute__((always_inline)) {
      for (int g = 0; g < gates; g++) {
        const Vec<T> centred = first(load(product + g * stride + unit, left) - mean[g], left);
        squares[g] = fma(centred, centred, squares[g]);
      }
    });
    for (int g = 0; g < gates; g++) {
      rate[g] = T(1) / T(__builtin_sqrt(double(sum_of<T>(squares[g]) / T(H) + norm.epsilon)));
      if (norm.rates) norm.rates[place * gates + g] = rate[g];
    }
  }

  // A vector of a gate's product, normal and scaled; how it was before the scale is kept for the backward pass.
  template <class Left>
  Vec<T> operator()(int gate, int64_t unit, Vec<T> product, Left left) const {
    if (!norm.scale) return product;
    const Vec<T> normal = (product - mean[gate]) * rate[gate];
    if (kept) store(kept + gate * H + unit, normal, left);
    return normal * load(norm.scale + gate * H + unit, left);
  }

 private:
  const Norm<T>& norm;
  const int64_t H;
  T* const kept;
  T mean[gates], rate[gates];
};

// Rows of gates [G * H], `stride` apart.
template <class T>
struct GateRows {
  T* data;
  int64_t stride;
};

// Gradients of scale * n + bias, n the normal product of rows from `place` on, become those of the product:
// rate * (e - mean(e) - n mean(e n)) with e = scale * gradient. They are written to `copy`, too, if it is there; the
// norm's own are added up, for all rows with one look at what there is.
template <int rows, class T>
inline void unnormalise_rows(const Norm<T>& norm, int gates, int64_t H, int64_t place, GateRows<T> gradients,
                             GateRows<T> copy) {
  for (int g = 0; g < gates; g++) {
    const T* const normal = norm.normalised + (place * gates + g) * H;
    const int64_t normal_stride = gates * H;
    T* const gradient = gradients.data + g * H;
    Vec<T> sum[rows]{}, along[rows]{};
    each_vector<T>(H, [&](int64_t unit, auto left) __attribute__((always_inline)) {
      const int64_t at = g * H + unit;
      const Vec<T> scale = load(norm.scale + at, left);
      Vec<T> of_scale = load(norm.grad_scale + at, left), of_bias = load(norm.grad_bias + at, left);
      for (int row = 0; row < rows; row++) {
        const Vec<T> e = load(gradient + row * gradients.stride + unit, left);
        const Vec<T> n = load(normal + row * normal_stride + unit, left);
        const Vec<T> scaled = e * scale;
        of_bias += e;
        of_scale = fma(e, n, of_scale);
        sum[row] += scaled;
        along[row] = fma(scaled, n, along[row]);
      }
      store(norm.grad_scale + at, of_scale, left);
      store(norm.grad_bias + at, of_bias, left);
    });
    T mean[rows], slope[rows], rate[rows];
    for (int row = 0; row < rows; row++) {
      mean[row] = sum_of<T>(sum[row]) / T(H), slope[row] = sum_of<T>(along[row]) / T(H);
      rate[row] = norm.rates[(place + row) * gates + g];
    }
    each_vector<T>(H, [&](int64_t unit, auto left) __attribute__((always_inline)) {
      const Vec<T> scale = load(norm.scale + g * H + unit, left);
      for (int row = 0; row < rows; row++) {
        T* const to = gradient + row * gradients.stride + unit;
        const Vec<T> e = load(to, left) * scale - mean[row];
        const Vec<T> n = load(normal + row * normal_stride + unit, left);
        const Vec<T> raw = fma(n, broadcast(-slope[row]), e) * rate[row];
        store(to, raw, left);
        if (copy.data) store(copy.data + row * copy.stride + g * H + unit, raw, left);
      }
    });
  }
}

template <class T>
inline void unnormalise(const Norm<T>& norm, int gates, int64_t H, int64_t place, int64_t rows, GateRows<T> gradients,
                        GateRows<T> copy) {
  constexpr int together = 4;
  auto from = [](GateRows<T> all, int64_t row) {
    return GateRows<T>{all.data ? all.data + row * all.stride : nullptr, all.stride};
  };
  int64_t row = 0;
  for (; row + together <= rows; row += together)
    unnormalise_rows<together>(norm, gates, H, place + row, from(gradients, row), from(copy, row));
  for (; row < rows; row++)
    unnormalise_rows<1>(norm, gates, H, place + row, from(gradients, row), from(copy, row));
}

}  // namespace throughtime::THROUGHTIME_ISA
