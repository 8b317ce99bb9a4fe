// h = act(x + u). Elman (1990).
#pragma once

#include "../vec.h"

namespace throughtime::THROUGHTIME_ISA {

template <class T, bool relu>
struct Elman {
  using V = Vec<T>;
  static constexpr int gates = 1, states = 1, saved = 0;
  static constexpr bool separate = false;  // the product's gradient equals the input's
  static constexpr int before = -1;        // which state before the step the backward needs: none

  static void forward(const V* x, const V* u, V* state, V*) {
    const V a = x[0] + u[0];
    state[0] = relu ? (a < T(0) ? V{} : a) : tanh<T>(a);
  }

  static void backward(const V*, V, V h, V* dstate, V* dx, V*) {
    dx[0] = relu ? (h > T(0) ? dstate[0] : V{}) : dstate[0] * (T(1) - h * h);
    dstate[0] = V{};
  }
};

}  // namespace throughtime::THROUGHTIME_ISA
