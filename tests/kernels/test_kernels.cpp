// The kernels without Python, for sanitizers: every instruction set, cell and option at odd sizes. Gradients are held to
// central differences, products to plain loops, and results to those of other threads; the values of the recurrences
// themselves are held to the reference in tests/ops.
//
// Arrays are exactly as long as promised, and filled with NaN where a kernel must write.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "dispatch.h"
#include "layer.h"
#include "stepper.h"

using namespace throughtime;

namespace {

std::mt19937 generator(1);

template <class T>
struct Array {
  std::unique_ptr<T[]> data;
  size_t size;
  explicit Array(int64_t size, bool drawn = false) : data(new T[size_t(size)]), size(size_t(size)) {
    std::normal_distribution<double> draw(0.0, 0.6);
    for (size_t i = 0; i < this->size; i++) data[i] = drawn ? T(draw(generator)) : std::numeric_limits<T>::quiet_NaN();
  }
  Array(const Array& other) : data(new T[other.size]), size(other.size) {
    for (size_t i = 0; i < size; i++) data[i] = other.data[i];
  }
  T* get() { return data.get(); }
  void zero() {
    for (size_t i = 0; i < size; i++) data[i] = 0;
  }
};

// What comes into a layer.
enum class From { contributions, vectors, symbols };

struct Options {
  Cell cell;
  From from;
  int64_t hidden, directions;
  std::vector<int64_t> lengths;  // longest first
  bool bias, norm, mask, resets;
  int threads;
};

// A layer's call with everything it needs; its loss is the sum of outputs and final states times fixed weights.
template <class T>
struct Problem {
  Options o;
  int64_t H, G, S, D, B, N = 0, T_steps;
  static constexpr int64_t F = 5;  // of vectors, and how many symbols there are
  std::vector<int64_t> batch_sizes;
  Array<T> inputs, h, c, mask, grad_outputs, grad_h, grad_c;
  std::vector<Array<T>> input_weights, input_biases, input_scales, weights, biases, scales;
  std::vector<int64_t> symbols;
  std::vector<uint8_t> resets;

  explicit Problem(const Options& o)
      : o(o), H(o.hidden), G(gates_of(o.cell)), S(saved_of(o.cell)), D(o.directions), B(int64_t(o.lengths.size())),
        N(total(o.lengths)), T_steps(o.lengths.empty() ? 0 : o.lengths[0]),
        inputs(o.from == From::vectors ? N * F : (o.from == From::symbols ? F : N) * D * G * H, true),
        h(D * B * H, true), c(D * B * H, true), mask(D * B * H, true), grad_outputs(N * D * H, true),
        grad_h(D * B * H, true), grad_c(D * B * H, true) {
    for (int64_t t = 0; t < T_steps; t++) {
      int64_t rows = 0;
      for (int64_t length : o.lengths) rows += length > t;
      batch_sizes.push_back(rows);
    }
    for (int64_t d = 0; d < D; d++) {
      input_weights.emplace_back(G * H * F, true);
      input_biases.emplace_back(G * H, true);
      weights.emplace_back(G * H * H, true);
      biases.emplace_back(G * H, true);
      input_scales.emplace_back(G * H, true);
      scales.emplace_back(G * H, true);
    }
    for (int64_t n = 0; n < N; n++) resets.push_back(n % 5 == 3), symbols.push_back(n * 7 % F);
  }

  static int64_t total(const std::vector<int64_t>& lengths) {
    int64_t sum = 0;
    for (int64_t length : lengths) sum += length;
    return sum;
  }

  std::vector<const T*> pointers(std::vector<Array<T>>& arrays) {
    std::vector<const T*> result;
    for (auto& array : arrays) result.push_back(array.get());
    return result;
  }

  struct Normal {
    Array<T> normalised, rates;
  };
  struct Result {
    Array<T> h, c, outputs, saved;
    Normal input, product;
  };

  // The input has a norm where it has a matrix.
  bool input_norm() const { return o.norm && o.from == From::vectors; }

  Norms<T> norms(bool there, const std::vector<const T*>& scales, Normal& kept, T* grads) const {
    if (!there) return {};
    return {scales.data(), kept.normalised.get(), kept.rates.get(), grads};
  }

  Result run() {
    const bool gated = S > 0;
    const Normal kept = {Array<T>(D * N * G * H), Array<T>(D * N * G)};
    Result r = {h, c, Array<T>(N * D * H), Array<T>(D * N * S * H), kept, kept};
    const auto w = pointers(weights), b = pointers(biases), is = pointers(input_scales), sc = pointers(scales);
    const auto iw = pointers(input_weights), ib = pointers(input_biases);
    const bool vectors = o.from == From::vectors;
    forward<T>({o.cell, N, T_steps, B, H, D, o.threads, batch_sizes.data(), o.resets ? resets.data() : nullptr,
                inputs.get(), o.from == From::contributions ? 0 : F, o.from == From::symbols ? symbols.data() : nullptr,
                vectors ? iw.data() : nullptr, vectors && o.bias ? ib.data() : nullptr, w.data(),
                o.bias ? b.data() : nullptr, norms(input_norm(), is, r.input, nullptr),
                norms(o.norm, sc, r.product, nullptr), T(1e-5), o.mask ? mask.get() : nullptr,
                {r.h.get(), states_of(o.cell) == 2 ? r.c.get() : nullptr},
                r.outputs.get(), gated ? r.saved.get() : nullptr});
    return r;
  }

  double loss() {
    Result r = run();
    double sum = 0;
    for (int64_t i = 0; i < N * D * H; i++) sum += double(r.outputs.data[size_t(i)]) * double(grad_outputs.data[size_t(i)]);
    for (int64_t i = 0; i < D * B * H; i++) {
      sum += double(r.h.data[size_t(i)]) * double(grad_h.data[size_t(i)]);
      if (states_of(o.cell) == 2) sum += double(r.c.data[size_t(i)]) * double(grad_c.data[size_t(i)]);
    }
    return sum;
  }

  // Gradients of what comes in, the initial states, and, of all directions, the weights, biases and scales.
  std::vector<Array<T>> gradients() {
    Result r = run();
    const bool two = states_of(o.cell) == 2, vectors = o.from == From::vectors;
    std::vector<Array<T>> grads = {Array<T>(vectors ? N * F : N * D * G * H), grad_h, grad_c, Array<T>(D * G * H * H),
                                   Array<T>(D * G * H), Array<T>(D * G * H * F), Array<T>(D * G * H),
                                   Array<T>(D * G * H), Array<T>(D * G * H)};
    for (size_t i = 3; i < grads.size(); i++) grads[i].zero();
    const auto w = pointers(weights), iw = pointers(input_weights);
    const auto is = pointers(input_scales), sc = pointers(scales);
    backward<T>({o.cell, N, T_steps, B, H, D, o.threads, batch_sizes.data(), o.resets ? resets.data() : nullptr,
                 vectors ? inputs.get() : nullptr, vectors ? F : 0, vectors ? iw.data() : nullptr, w.data(),
                 norms(input_norm(), is, r.input, grads[7].get()), norms(o.norm, sc, r.product, grads[8].get()),
                 o.mask ? mask.get() : nullptr, {h.get(), two ? c.get() : nullptr}, r.outputs.get(),
                 S ? r.saved.get() : nullptr, grad_outputs.get(),
                 {grads[1].get(), two ? grads[2].get() : nullptr}, vectors ? nullptr : grads[0].get(),
                 vectors ? grads[0].get() : nullptr, vectors ? grads[5].get() : nullptr,
                 vectors && o.bias ? grads[6].get() : nullptr, grads[3].get(), o.bias ? grads[4].get() : nullptr});
    for (size_t i = 0; i < grads[0].size; i++)
      if (std::isnan(grads[0].data[i])) fail("a gradient was not written");
    return grads;
  }

  [[noreturn]] void fail(const char* what) const {
    std::printf("%s: %s, cell %d, from %d, H %d, D %d, B %d, bias %d, norm %d, mask %d, resets %d, threads %d\n", what,
                instruction_set().name, int(o.cell), int(o.from), int(H), int(D), int(B), o.bias, o.norm, o.mask,
                o.resets, o.threads);
    std::exit(1);
  }
};

// Derivatives by central differences, of a few drawn elements of each source; in double only. Of weights, biases and
// scales those of the first direction, with which the arrays begin.
void check_forward(const Options& o);

void check_gradients(const Options& o) {
  if (o.cell == Cell::elman_relu) return;  // it bends
  Problem<double> p(o);
  auto grads = p.gradients();
  const bool vectors = o.from == From::vectors;
  Array<double>* sources[] = {o.from == From::symbols ? nullptr : &p.inputs, &p.h,
                              states_of(o.cell) == 2 ? &p.c : nullptr,       &p.weights[0],
                              o.bias ? &p.biases[0] : nullptr,               vectors ? &p.input_weights[0] : nullptr,
                              vectors && o.bias ? &p.input_biases[0] : nullptr,
                              p.input_norm() ? &p.input_scales[0] : nullptr, o.norm ? &p.scales[0] : nullptr};
  for (size_t source = 0; source < grads.size(); source++) {
    Array<double>* array = sources[source];
    if (!array || !array->size) continue;
    for (int probe = 0; probe < 3; probe++) {
      double& x = array->data[generator() % array->size];
      const size_t place = size_t(&x - array->get());
      const double before = x, step = 1e-6;
      x = before + step;
      const double above = p.loss();
      x = before - step;
      const double below = p.loss();
      x = before;
      const double numeric = (above - below) / (2 * step), ours = grads[source].data[place];
      if (!(std::abs(numeric - ours) < 2e-6 * (1 + std::abs(ours)))) p.fail("gradient");
    }
  }
}

// A batch that fills blocks and contributions more than once, with threads or without: the same gradients.
void check_long() {
  for (Cell cell : {Cell::elman_tanh, Cell::lstm, Cell::gru})
    for (const std::vector<int64_t>& lengths : {std::vector<int64_t>{90, 60, 50, 7}, std::vector<int64_t>(140, 3)})
      for (int64_t directions : {1, 2})
        for (bool norm : {false, true}) {
          Options o = {cell, From::vectors, 9, directions, lengths, true, norm, false, false, 2};
          check_forward(o);
          check_gradients(o);
        }
}

// Every output is written, and has the same bits with other threads.
void check_forward(const Options& o) {
  Problem<float> p(o);
  auto whole = p.run();
  for (size_t i = 0; i < whole.outputs.size; i++)
    if (std::isnan(whole.outputs.data[i])) p.fail("an output was not written");
  p.o.threads = 3 - o.threads;
  auto again = p.run();
  for (size_t i = 0; i < whole.outputs.size; i++)
    if (whole.outputs.data[i] != again.outputs.data[i]) p.fail("threads change the output");
}

void check_products() {
  for (int64_t rows : {1, 5, 97, 200})
    for (int64_t depth : {1, 7, 33})
      for (int64_t columns : {1, 16, 70}) {
        Array<float> in(rows * depth, true), one(columns * depth, true), two(columns * depth, true), bias(columns, true);
        Array<float> out(rows * 2 * columns);
        const float* matrices[] = {one.get(), two.get()};
        const float* biases[] = {bias.get(), nullptr};
        product<float>({in.get(), matrices, biases, out.get(), rows, depth, columns, 2, false, 2});
        for (int64_t r = 0; r < rows; r++)
          for (int64_t j = 0; j < 2 * columns; j++) {
            const float* matrix = matrices[j / columns];
            double sum = j < columns ? double(bias.data[size_t(j)]) : 0;
            for (int64_t k = 0; k < depth; k++)
              sum += double(in.data[size_t(r * depth + k)]) * double(matrix[(j % columns) * depth + k]);
            if (!(std::abs(sum - double(out.data[size_t(r * 2 * columns + j)])) < 1e-4)) {
              std::printf("product: %s, %d x %d x %d\n", instruction_set().name, int(rows), int(depth), int(columns));
              std::exit(1);
            }
          }
      }
}

void check_outer() {
  for (int64_t rows : {0, 1, 64, 300})
    for (int64_t columns : {1, 16, 100})
      for (int64_t depth : {1, 33, 130}) {
        const int64_t stride = columns + 3;
        Array<float> grads(rows * stride, true), in(rows * depth, true), out(columns * depth), sums(columns);
        out.zero(), sums.zero();
        outer<float>({grads.get(), in.get(), out.get(), sums.get(), rows, columns, depth, stride, 2});
        for (int64_t c = 0; c < columns; c++)
          for (int64_t k = -1; k < depth; k++) {
            double sum = 0;
            for (int64_t r = 0; r < rows; r++)
              sum += double(grads.data[size_t(r * stride + c)]) * (k < 0 ? 1.0 : double(in.data[size_t(r * depth + k)]));
            if (!(std::abs(sum - double(k < 0 ? sums.data[size_t(c)] : out.data[size_t(c * depth + k)])) < 1e-3)) {
              std::printf("outer: %s, %d x %d x %d\n", instruction_set().name, int(rows), int(columns), int(depth));
              std::exit(1);
            }
          }
      }
}

void check_steps() {
  for (Cell cell : {Cell::elman_tanh, Cell::lstm, Cell::gru})
    for (int64_t hidden : {1, 33, 300})
      for (Precision precision : {Precision::full, Precision::float16, Precision::int8}) {
        const int64_t G = gates_of(cell), input = 5, batch = 2;
        Array<float> ih(G * hidden * input, true), hh(G * hidden * hidden, true), bias(G * hidden, true);
        Array<float> x(batch * input, true), y(batch * hidden), h(batch * hidden), c(batch * hidden);
        Stepper<float> stepper(cell, batch, hidden, precision, {{input, ih.get(), hh.get(), bias.get(), nullptr}});
        const int64_t symbols[] = {0, 4};
        stepper.step(x.get(), nullptr, y.get(), 2);
        stepper.step(nullptr, symbols, y.get(), 1);
        stepper.read_state(h.get(), cell == Cell::lstm ? c.get() : nullptr);
        stepper.write_state(h.get(), cell == Cell::lstm ? c.get() : nullptr);
        for (size_t i = 0; i < y.size; i++)
          if (!(y.data[i] == h.data[i])) std::printf("step\n"), std::exit(1);
      }
}

}  // namespace

int main() {
  int count = 0;
  for (const InstructionSet* set : instruction_sets()) {
    select(set->name);
    check_products();
    check_outer();
    check_long();
    check_steps();
    for (Cell cell : {Cell::elman_tanh, Cell::elman_relu, Cell::lstm, Cell::gru})
      for (int64_t hidden : {1, 7, 33, 100})
        for (const std::vector<int64_t>& lengths :
             {std::vector<int64_t>{1}, {3, 3, 3}, {6, 5, 4, 3, 2, 1, 1}, {4, 2, 0}, std::vector<int64_t>(13, 2)})
          for (int flags = 0; flags < 24; flags++) {
            const Options o = {cell,          From(flags / 8),        hidden,
                               1 + flags % 2, lengths,                flags % 5 != 4,
                               (flags & 1) != 0, (flags & 2) != 0,    (flags & 4) != 0,
                               1 + (flags / 2) % 2};
            check_forward(o);
            if (hidden < 100 || flags % 8 == 0) check_gradients(o);
            count++;
          }
  }
  std::printf("%d layers agree\n", count);
}
