// A whole layer's call, both directions: plans the rows over threads, packs the matrices, runs the loops.
#pragma once

#include "kernels.h"

namespace throughtime {

// The norms of a layer's products, of the input's or of the recurrent ones; D directions.
template <class T>
struct Norms {
  const T* const* scales;  // D of [G * H], or null: there are none
  T* normalised;           // [D, N, G * H]: what the forward pass gives, or null, and the backward pass takes
  T* rates;                // [D, N, G]: likewise
  T* grad_scales;          // [D, G * H]: added to by the backward pass
};

// All arrays are contiguous; D directions. Null where something is not there.
template <class T>
struct LayerForward {
  Cell cell;
  int64_t rows, steps, batch, hidden, directions;  // rows: N
  int threads;
  const int64_t* batch_sizes;   // [T]
  const uint8_t* resets;        // [N]
  const T* data;                // [N, F]; without input weights [N, D * G * H]; with symbols [V, D * G * H]
  int64_t depth;                // F; with symbols V
  const int64_t* symbols;       // [N] or null
  const T* const* input_weights;  // D of [G * H, F], or null
  const T* const* input_biases;   // D of [G * H], or null
  const T* const* weights;      // D of [G * H, H]
  const T* const* biases;       // D of [G * H], or null
  Norms<T> input_norms, norms;
  T epsilon;
  const T* mask;                // [D, B, H]
  T* state[2];                  // [D, B, H]
  T* outputs;                   // [N, D * H]
  T* saved;                     // [D, N, S * H]
};

template <class T>
struct LayerBackward {
  Cell cell;
  int64_t rows, steps, batch, hidden, directions;  // rows: N
  int threads;
  const int64_t* batch_sizes;
  const uint8_t* resets;
  const T* data;                  // [N, F], with input weights
  int64_t depth;                  // F
  const T* const* input_weights;  // D of [G * H, F], or null
  const T* const* weights;
  Norms<T> input_norms, norms;
  const T* mask;
  const T* initial[2];            // [D, B, H]
  const T* outputs;
  const T* saved;
  const T* grad_outputs;          // [N, D * H]
  T* grad_state[2];               // [D, B, H]: of the final state in, of the initial state out
  T* grad_inputs;                 // [N, D * G * H], without input weights
  T* grad_data;                   // [N, F], or null where nobody needs it
  // The weights' own are added to what is there: zeros.
  T* grad_input_weights;          // [D, G * H, F], with input weights
  T* grad_input_biases;           // [D, G * H], or null
  T* grad_weights;                // [D, G * H, H]
  T* grad_biases;                 // [D, G * H], or null: of the recurrent products' biases
};

template <class T>
void forward(const LayerForward<T>& layer);

template <class T>
void backward(const LayerBackward<T>& layer);

// out [rows, M * columns] = in [rows, depth] x M matrices side by side + their biases (null or M, each null or
// [columns]). The matrices are [columns, depth], as torch's linear layers keep them, or, `transposed`, [depth, columns].
// A row's result does not depend on the rows beside it.
template <class T>
struct Product {
  const T* in;
  const T* const* matrices;
  const T* const* biases;
  T* out;
  int64_t rows, depth, columns, count;
  bool transposed;
  int threads;
};

template <class T>
void product(const Product<T>& call);

// The gradients of a product's matrix and bias: out [columns, depth] += grads [rows, columns] transposed x in [rows,
// depth], and sums [columns] += those of the columns of grads, or null. Rows of grads are `stride` apart.
template <class T>
struct Outer {
  const T* grads;
  const T* in;
  T* out;
  T* sums;
  int64_t rows, columns, depth, stride;
  int threads;
};

template <class T>
void outer(const Outer<T>& call);

}  // namespace throughtime
