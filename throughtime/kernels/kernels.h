// The recurrences' kernels: plain pointers and sizes. Rows are time-major: all first steps, then all second steps, ...,
// the longest sequences first, so that the sequences running at a step are its leading rows.
//
// Letters: T steps, B sequences, N steps in all, H hidden units, G gates, S values saved a unit. Unless said otherwise
// the caller owns every pointer, nothing may alias, and null stands for "not there".
#pragma once

#include <cstdint>

namespace throughtime {

[[noreturn]] void out_of_memory();  // throws: what is compiled for one instruction set must not hold code of <new>

enum class Cell { elman_tanh, elman_relu, lstm, gru };

constexpr int gates_of(Cell cell) { return cell == Cell::lstm ? 4 : cell == Cell::gru ? 3 : 1; }
constexpr int states_of(Cell cell) { return cell == Cell::lstm ? 2 : 1; }
// i f g o c; r z n and the candidate's recurrent part; the Elman network's output says all.
constexpr int saved_of(Cell cell) { return cell == Cell::lstm ? 5 : cell == Cell::gru ? 4 : 0; }

struct Shape {
  int64_t steps, batch, hidden;
  const int64_t* batch_sizes;  // [T], never grows
  const int64_t* offsets;      // [T + 1], where each step's rows begin
  const uint8_t* resets;       // [N]: before that step the state becomes zero; or null
};

// A matrix [depth, groups * units] cut into panels of `widest` vectors or fewer; see product.h.
template <class T>
struct Source {
  const T* data;
  int64_t depth, groups, units;
  int64_t depth_stride, group_stride, unit_stride;
};

// A product is made normal before it reaches the gates: mean 0 and variance 1 in each of them, then scaled; see norm.h.
template <class T>
struct Norm {
  const T* scale;  // [G * H], or null: the product stays as it is
  // What the forward pass gives, or null, and the backward pass takes:
  T* normalised;  // [N, G * H]: the product before the scale
  T* rates;       // [N, G]: 1 / standard deviation
  // What the backward pass adds to; every row range has its own:
  T* grad_scale;  // [G * H]
  T* grad_bias;   // [G * H]: of the bias behind the norm
  T epsilon;      // added to the variance
};

// What the input contributes to the gates of each step.
template <class T>
struct Input {
  const T* data;           // rows `stride` apart: [N, depth] to be multiplied, or contributions [N, G * H] as they are
  const int64_t* symbols;  // [N] or null: step n's contribution is row symbols[n] of data [V, G * H]
  const T* packed;         // a matrix [G * H, depth] in panels, or null
  const T* bias;           // [G * H] or null, with the matrix or a norm
  Norm<T> norm;
  int64_t depth, stride;
};

// One direction of a layer, forward.
template <class T>
struct Forward {
  Input<T> input;
  const T* packed;       // the recurrent matrix [G * H, H] in panels
  const T* bias;         // [G * H] or null, added to the recurrent product
  Norm<T> norm;          // of the recurrent product
  const T* mask;         // [B, H] or null: multiplies h where it enters the product
  T* state[2];           // h (and c) [B, H]: the initial state comes in, the final one goes out
  T* outputs;            // [N, H], rows `outputs_stride` apart
  T* saved;              // [N, S * H] or null
  int64_t outputs_stride;
  bool reverse;
};

// Gradients that are used up a few steps at a time, while they are in cache: at most `rows`, then `use(context, rows)` is
// called, and they are written anew. Row r is that of step places[r].
struct Block {
  int64_t rows;  // at least those of one step
  int64_t* places;
  void (*use)(void* context, int64_t rows);
  void* context;
};

// One direction of a layer, backward. What Forward gave and saved comes in. With a block, grad_inputs, grad_products and
// previous have as many rows as it, otherwise N.
template <class T>
struct Backward {
  const Block* block;       // or null
  const T* packed;          // the recurrent matrix's transpose in panels
  Norm<T> input_norm, norm;
  const T* mask;
  const T* initial[2];      // h (and c) [B, H] before the first step
  const T* outputs;
  const T* saved;
  const T* grad_outputs;    // [N, H], rows `grad_outputs_stride` apart
  T* grad_state[2];         // [B, H]: of the final state in, of the initial state out
  T* grad_inputs;           // [N, G * H], rows `grad_inputs_stride` apart
  T* grad_products;         // [N, G * H]: of the recurrent product, or null where it equals grad_inputs: without norms
  T* previous;              // [N, H]: what entered the recurrent product at each step
  int64_t outputs_stride, grad_outputs_stride, grad_inputs_stride;
  bool reverse;
};

// How the weights of a step are kept.
enum class Precision { full, float16, int8 };

template <class T>
struct StepMatrix {
  const void* packed;  // [depth, G * H] in panels with all gates of a unit side by side
  const T* scales;     // of each column, in the panels' order, padded to whole vectors; or null
  const T* bias;       // likewise
  int64_t depth;
};

// One step of a layer.
template <class T>
struct Step {
  int64_t batch, hidden;
  StepMatrix<T> input, recurrent;
  const T* x;              // [B, input.depth], or null:
  const int64_t* symbols;  // [B]: one-hot vectors
  const T* h;              // [B, H]
  T* h_next;               // [B, H]
  T* c;                    // [B, H], in and out; LSTM only
};

// The kernels of one instruction set. `first` and `last` are a range of rows; ranges may run at the same time.
template <class T>
struct Kernels {
  int64_t (*packed_size)(const Source<T>& source);  // in elements
  int64_t (*panels)(const Source<T>& source);
  void (*pack)(const Source<T>& source, int64_t first_panel, int64_t last_panel, T* packed);
  // out [rows, units] = in [rows, depth] x packed + bias; every row's result depends on that row alone.
  void (*product)(const Source<T>& shape, const T* packed, const T* bias, const T* in, int64_t in_stride, T* out,
                  int64_t out_stride, int64_t rows);
  // out [columns, units] += the first `columns` of in [depth, *], transposed, x a matrix [depth, units] of which a source
  // tells; sums [columns] the sums of those columns, or null. Both are added to. The source's depth may be long.
  void (*outer)(const Source<T>& source, const T* in, int64_t in_stride, T* out, int64_t out_stride, T* sums,
                int64_t columns, T* scratch);
  int64_t (*outer_scratch)(const Source<T>& source, int64_t columns);  // in elements
  void (*forward)(Cell cell, const Shape& shape, const Forward<T>& direction, int64_t first, int64_t last);
  void (*backward)(Cell cell, const Shape& shape, const Backward<T>& direction, int64_t first, int64_t last);
  void (*step)(Cell cell, Precision precision, const Step<T>& step, int64_t first_panel, int64_t last_panel);
  void (*compress)(Precision precision, const Source<T>& source, const T* packed, void* to, T* scales);
  double (*multiply_adds)(int64_t rounds);  // keeps the multiply-add units busy; returns how many were done
  void (*logistic)(const T* in, T* out, int64_t count);
  void (*tanh)(const T* in, T* out, int64_t count);
};

struct InstructionSet {
  const char* name;
  bool (*here)();  // whether this machine has it
  const Kernels<float>* float32;
  const Kernels<double>* float64;
};

}  // namespace throughtime
