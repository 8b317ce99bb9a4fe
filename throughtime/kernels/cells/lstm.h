// i, f, o = logistic(x + u), g = tanh(x + u), c' = f c + i g, h = o tanh(c').
// Hochreiter & Schmidhuber (1997) with the forget gate of Gers et al. (2000).
#pragma once

#include "../vec.h"

namespace throughtime::THROUGHTIME_ISA {

template <class T>
struct Lstm {
  using V = Vec<T>;
  static constexpr int gates = 4, states = 2, saved = 5;
  static constexpr bool separate = false;
  static constexpr int before = 1;  // c

  static void forward(const V* x, const V* u, V* state, V* saved) {
    const V i = logistic<T>(x[0] + u[0]), f = logistic<T>(x[1] + u[1]);
    const V g = tanh<T>(x[2] + u[2]), o = logistic<T>(x[3] + u[3]);
    const V c = fma(f, state[1], i * g);
    state[0] = o * tanh<T>(c);
    state[1] = c;
    saved[0] = i, saved[1] = f, saved[2] = g, saved[3] = o, saved[4] = c;
  }

  static void backward(const V* saved, V before, V, V* dstate, V* dx, V*) {
    const V i = saved[0], f = saved[1], g = saved[2], o = saved[3], t = tanh<T>(saved[4]);
    const V dc = fma(dstate[0] * o, T(1) - t * t, dstate[1]);
    dx[0] = dc * g * i * (T(1) - i);
    dx[1] = dc * before * f * (T(1) - f);
    dx[2] = dc * i * (T(1) - g * g);
    dx[3] = dstate[0] * t * o * (T(1) - o);
    dstate[0] = V{};
    dstate[1] = dc * f;
  }
};

}  // namespace throughtime::THROUGHTIME_ISA
