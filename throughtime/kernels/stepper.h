// A stack of one-directional layers that runs step by step, with weights and state of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels.h"

namespace throughtime {

template <class T>
class Stepper {
 public:
  struct Layer {
    int64_t input;                                    // size of what comes in
    const T *weight_ih, *weight_hh, *bias_ih, *bias_hh;  // as torch keeps them; biases may be null
  };

  // Copies the weights. `precision` other than full only for float.
  Stepper(Cell cell, int64_t batch, int64_t hidden, Precision precision, const std::vector<Layer>& layers);

  Stepper(const Stepper&) = delete;
  Stepper& operator=(const Stepper&) = delete;

  // One step: x [B, input] or symbols [B] (the other null) to y [B, H].
  void step(const T* x, const int64_t* symbols, T* y, int threads);

  void reset();
  void read_state(T* h, T* c) const;         // [L, B, H]
  void write_state(const T* h, const T* c);  // [L, B, H]

 private:
  struct Free {
    void operator()(void* memory) const;
  };
  template <class E>
  using Memory = std::unique_ptr<E[], Free>;
  template <class E>
  static Memory<E> allocate(int64_t size);

  struct Matrix {
    Memory<char> packed;
    Memory<T> scales, bias;
    StepMatrix<T> view() const { return {packed.get(), scales.get(), bias.get(), depth}; }
    int64_t depth;
  };
  struct Packed {
    Matrix input, recurrent;
    Memory<T> h[2], c;
  };

  Matrix pack(const T* weight, const T* bias, const T* other_bias, int64_t depth) const;
  int64_t state_size() const { return batch_ * hidden_; }

  Cell cell_;
  int64_t batch_, hidden_, panels_;
  Precision precision_;
  std::vector<Packed> layers_;
  int now_ = 0;
  const Kernels<T>& kernels_;
};

}  // namespace throughtime
