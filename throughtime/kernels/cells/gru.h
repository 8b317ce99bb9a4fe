// r, z = logistic(x + u), n = tanh(x + r u), h' = n + z (h - n): the reset gate after the product, as cuDNN has it.
// Cho et al. (2014).
#pragma once

#include "../vec.h"

namespace throughtime::THROUGHTIME_ISA {

template <class T>
struct Gru {
  using V = Vec<T>;
  static constexpr int gates = 3, states = 1, saved = 4;
  static constexpr bool separate = true;  // in the candidate r stands between the product and the input
  static constexpr int before = 0;        // h

  static void forward(const V* x, const V* u, V* state, V* saved) {
    const V r = logistic<T>(x[0] + u[0]), z = logistic<T>(x[1] + u[1]);
    const V n = tanh<T>(fma(r, u[2], x[2]));
    state[0] = fma(z, state[0] - n, n);
    saved[0] = r, saved[1] = z, saved[2] = n, saved[3] = u[2];
  }

  static void backward(const V* saved, V before, V, V* dstate, V* dx, V* du) {
    const V r = saved[0], z = saved[1], n = saved[2];
    const V dh = dstate[0];
    dx[2] = dh * (T(1) - z) * (T(1) - n * n);
    dx[1] = dh * (before - n) * z * (T(1) - z);
    dx[0] = dx[2] * saved[3] * r * (T(1) - r);
    du[0] = dx[0], du[1] = dx[1], du[2] = dx[2] * r;
    dstate[0] = dh * z;
  }
};

}  // namespace throughtime::THROUGHTIME_ISA
