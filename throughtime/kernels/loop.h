// The loops through time, forward and backward, over a range of rows. They know no cell.
//
// A cell is a struct of vector functions: how many gates, states and saved values it has, `forward` from what the input
// (x) and the recurrence (u) contribute to its gates, and `backward` from the gradient of its state to those of x and u.
#pragma once

#include "norm.h"

namespace throughtime::THROUGHTIME_ISA {

// A row's width in scratch memory: whole vectors, and one more, lest rows a power of two apart share their cache sets.
template <class T>
inline int64_t padded(int64_t width) {
  return (ceil_div(width, lanes<T>) + 1) * lanes<T>;
}

inline int64_t running(const Shape& s, int64_t t, int64_t first, int64_t last) {
  const int64_t end = s.batch_sizes[t] < last ? s.batch_sizes[t] : last;
  return end > first ? end - first : 0;
}

// ---- forward --------------------------------------------------------------------------------------------------------

template <class C, class T>
class ForwardLoop {
 public:
  ForwardLoop(const Shape& s, const Forward<T>& d, int64_t first, int64_t last)
      : s(s), d(d), first(first), last(last), H(s.hidden), width(padded<T>(H)), wide(padded<T>(H) * C::gates),
        panels(H, C::gates, H), input_panels(d.input.depth, C::gates, H), entering(2 * (last - first) * width),
        products(normal() ? (last - first) * wide : 0), vectors(d.input.packed ? most_prepared() * d.input.depth : 0),
        contributions(d.input.packed ? most_prepared() * wide : 0) {}

  void run() {
    for (int64_t row = 0; row < last - first; row++) enter(row, 0), enter(row, 1);
    for (int64_t step = 0; step < s.steps; step++) {
      const int64_t rows = running(s, at(step), first, last);
      if (!rows && !d.reverse) break;
      if (!rows) continue;
      if (d.input.packed && used == prepared) prepare(step);
      advance(s.offsets[at(step)] + first, rows);
      used += rows;
    }
  }

 private:
  static constexpr int G = C::gates;
  const Shape& s;
  const Forward<T>& d;
  const int64_t first, last, H, width, wide;
  const Panels<T> panels, input_panels;
  const Scratch<T> entering;  // what enters the product, h or h masked: for this step and for the next
  const Scratch<T> products;
  const Scratch<T> vectors, contributions;  // of the input, for a few steps: they stay in the nearer caches
  int64_t prepared = 0, used = 0;           // rows of contributions
  int now = 0;

  bool normal() const { return d.norm.scale || d.input.norm.scale; }

  // The step of the sequences that is read `step`-th.
  int64_t at(int64_t step) const { return d.reverse ? s.steps - 1 - step : step; }

  // Contributions are made for so many rows, or for the rows of one step.
  static constexpr int64_t enough = 96;
  int64_t most_prepared() const { return enough > last - first ? enough : last - first; }

  // The input's contributions to the gates from `step` on, for as many steps as have room; a norm is still to come.
  void prepare(int64_t step) {
    const int64_t depth = d.input.depth;
    prepared = used = 0;
    for (; step < s.steps; step++) {
      const int64_t rows = running(s, at(step), first, last);
      if (prepared + rows > most_prepared()) break;
      const T* const from = d.input.data + (s.offsets[at(step)] + first) * d.input.stride;
      for (int64_t row = 0; row < rows; row++)
        std::memcpy(vectors.row((prepared + row) * depth), from + row * d.input.stride, size_t(depth) * sizeof(T));
      prepared += rows;
    }
    const bool biased = d.input.bias && !d.input.norm.scale;
    auto use = [&](const Part& part, const T* tile) {
      for (int64_t b = 0; b < part.blocks; b++) {
        const int64_t unit = (part.block + b) * lanes<T>;
        for (int g = 0; g < G; g++) {
          const Vec<T> bias = biased ? load(d.input.bias + g * H + unit, H - unit) : Vec<T>{};
          for (int64_t m = 0; m < part.rows; m++)
            store(contributions.row((part.row + m) * wide + g * width + unit),
                  load(tile + ((m * part.blocks + b) * G + g) * lanes<T>) + bias);
        }
      }
    };
    multiply<T>(input_panels, d.input.packed, vectors.row(0), depth, prepared, nothing_ahead, use);
  }

  struct Contribution {
    const T* data;   // of one row: its gates,
    int64_t stride;  // so far apart
  };
  Contribution contribution(int64_t place, int64_t row) const {
    if (d.input.packed) return {contributions.row((used + row) * wide), width};
    return {d.input.data + (d.input.symbols ? d.input.symbols[place] : place) * d.input.stride, H};
  }

  T* entry(int64_t row, int which) const { return entering.row((which * (last - first) + row) * width); }

  // The state of a row, as it enters the product.
  void enter(int64_t row, int which) {
    const T* h = d.state[0] + (first + row) * H;
    for (int64_t j = 0; j < H; j++) entry(row, which)[j] = d.mask ? h[j] * d.mask[(first + row) * H + j] : h[j];
  }

  void reset(int64_t row) {
    for (int j = 0; j < C::states; j++) std::memset(d.state[j] + (first + row) * H, 0, size_t(H) * sizeof(T));
    std::memset(entry(row, now), 0, size_t(H) * sizeof(T));
  }

  // One step of the rows from `place` in the time-major order.
  void advance(int64_t place, int64_t rows) {
    if (s.resets)
      for (int64_t row = 0; row < rows; row++)
        if (s.resets[place + row]) reset(row);
    if (normal()) {
      advance_normalised(place, rows);
    } else {
      auto ahead = [&](const Part& part) { fetch(place, part); };
      auto use = [&](const Part& part, const T* tile) {
        for (int64_t m = 0; m < part.rows; m++)
          for (int64_t b = 0; b < part.blocks; b++)
            update(place + part.row + m, part.row + m, part.block + b, tile + (m * part.blocks + b) * G * lanes<T>,
                   lanes<T>, AsItIs(), AsItIs());
      };
      multiply<T>(panels, d.packed, entry(0, now), width, rows, ahead, use);
    }
    now = 1 - now;
  }

  // The gates need the whole product of a row, for its mean and variance, before the first of them opens.
  void advance_normalised(int64_t place, int64_t rows) {
    auto use = [&](const Part& part, const T* tile) {
      for (int64_t m = 0; m < part.rows; m++)
        for (int64_t b = 0; b < part.blocks; b++)
          for (int g = 0; g < G; g++)
            store(products.row((part.row + m) * wide + g * width + (part.block + b) * lanes<T>),
                  load(tile + ((m * part.blocks + b) * G + g) * lanes<T>));
    };
    auto ahead = [&](const Part& part) { fetch(place, part); };
    multiply<T>(panels, d.packed, entry(0, now), width, rows, ahead, use);
    for (int64_t row = 0; row < rows; row++) {
      const Contribution input = contribution(place + row, row);
      const T* const product = products.row(row * wide);
      const Normal<G, T> of_input(d.input.norm, H, place + row, input.data, input.stride);
      const Normal<G, T> of_product(d.norm, H, place + row, product, width);
      for (int64_t block = 0; block * lanes<T> < H; block++)
        update(place + row, row, block, product + block * lanes<T>, width, of_input, of_product);
    }
  }

  // What `update` will read and write comes from afar: it travels while the product is made.
  void fetch(int64_t place, const Part& part) const {
    for (int64_t m = part.row; m < part.row + part.rows; m++)
      for (int64_t b = part.block; b < part.block + part.blocks; b++) {
        const int64_t unit = b * lanes<T>;
        if (!d.input.packed) {
          const Contribution input = contribution(place + m, m);
          for (int g = 0; g < G; g++) __builtin_prefetch(input.data + g * H + unit);
        }
        __builtin_prefetch(d.outputs + (place + m) * d.outputs_stride + unit, 1);
        if (d.saved)
          for (int j = 0; j < C::saved; j++)
            __builtin_prefetch(d.saved + ((place + m) * C::saved + j) * H + unit, 1);
        const T* const normal[] = {d.input.norm.normalised, d.norm.normalised};
        for (const T* to : normal)
          for (int g = 0; to && g < G; g++) __builtin_prefetch(to + ((place + m) * G + g) * H + unit, 1);
      }
  }

  template <class OfInput, class OfProduct>
  void update(int64_t place, int64_t row, int64_t block, const T* product, int64_t stride, const OfInput& of_input,
              const OfProduct& of_product) {
    const int64_t left = H - block * lanes<T>;
    if (left >= lanes<T>) update(place, row, block, product, stride, of_input, of_product, Whole());
    else update(place, row, block, product, stride, of_input, of_product, left);
  }

  // The gates and the state of a vector of units; the product's gates stand `stride` apart.
  template <class OfInput, class OfProduct, class Left>
  void update(int64_t place, int64_t row, int64_t block, const T* product, int64_t stride, const OfInput& of_input,
              const OfProduct& of_product, Left left) {
    const int64_t H = this->H, unit = block * lanes<T>, own = (first + row) * H + unit;
    const Contribution input = contribution(place, row);
    const T* const input_bias = d.input.norm.scale && d.input.bias ? d.input.bias + unit : nullptr;
    const T* const bias = d.bias ? d.bias + unit : nullptr;
    const T* const mask = d.mask ? d.mask + own : nullptr;
    T* const states[2] = {d.state[0] + own, C::states == 2 ? d.state[1] + own : nullptr};
    T* const output = d.outputs + place * d.outputs_stride + unit;
    T* const next = entry(row, 1 - now) + unit;
    T* const kept = d.saved ? d.saved + place * C::saved * H + unit : nullptr;
    Vec<T> x[G], u[G], state[C::states], saved[C::saved + 1];
    for (int g = 0; g < G; g++) {
      x[g] = of_input(g, unit, load(input.data + g * input.stride + unit, left), left);
      u[g] = of_product(g, unit, load(product + g * stride), left);
      if (input_bias) x[g] += load(input_bias + g * H, left);
      if (bias) u[g] += load(bias + g * H, left);
    }
    for (int j = 0; j < C::states; j++) state[j] = load(states[j], left);
    C::forward(x, u, state, saved);
    for (int j = 0; j < C::states; j++) store(states[j], state[j], left);
    store(output, state[0], left);
    store(next, mask ? state[0] * load(mask, left) : state[0], left);
    if (kept)
      for (int j = 0; j < C::saved; j++) store(kept + j * H, saved[j], left);
  }
};

// ---- backward -------------------------------------------------------------------------------------------------------

template <class C, class T>
class BackwardLoop {
 public:
  BackwardLoop(const Shape& s, const Backward<T>& d, int64_t first, int64_t last)
      : s(s), d(d), first(first), last(last), H(s.hidden), width(padded<T>(H)), wide(padded<T>(H * C::gates)),
        panels(H * C::gates, 1, H), arriving(2 * (last - first) * wide), nothing(width) {}

  void run() {
    int64_t before = d.reverse ? last - first : 0;
    for (int64_t step = 0; step < s.steps; step++) {
      const int64_t t = d.reverse ? step : s.steps - 1 - step, rows = running(s, t, first, last);
      if (rows < before) finish(rows, before);  // a row read from its end has come to its beginning
      before = rows;
      if (!rows && d.reverse) break;
      if (rows) retreat(t, rows);
    }
    use_up();
    finish(0, before);
  }

 private:
  static constexpr int G = C::gates;
  const Shape& s;
  const Backward<T>& d;
  const int64_t first, last, H, width, wide;
  const Panels<T> panels;
  const Scratch<T> arriving;  // gradients of the products, [rows, G * H]: of the step after, and of this one
  const Scratch<T> nothing;
  int now = 0;
  int64_t filled = 0;  // rows of the block

  // What the block holds is used, and it is empty again.
  void use_up() {
    if (filled) d.block->use(d.block->context, filled);
    filled = 0;
  }

  // Where the gradients of a step's rows go.
  int64_t slot(int64_t place, int64_t rows) {
    if (!d.block) return place;
    if (filled + rows > d.block->rows) use_up();
    for (int64_t row = 0; row < rows; row++) d.block->places[filled + row] = place + row;
    filled += rows;
    return filled - rows;
  }

  T* arrival(int64_t row, int which) const { return arriving.row((which * (last - first) + row) * wide); }

  // Gradient of the state that the rows began with: what went through their first product joins what went round it.
  void finish(int64_t begin, int64_t end) {
    auto use = [&](const Part& part, const T* tile) {
      for (int64_t m = 0; m < part.rows; m++)
        for (int64_t b = 0; b < part.blocks; b++) {
          const int64_t unit = (part.block + b) * lanes<T>, own = (first + begin + part.row + m) * H + unit;
          const int64_t left = H - unit;
          store(d.grad_state[0] + own, through(own, left, tile + (m * part.blocks + b) * lanes<T>), left);
        }
    };
    multiply<T>(panels, d.packed, arrival(begin, now), wide, end - begin, nothing_ahead, use);
  }

  // What reaches h: round the product, and through it.
  template <class Left>
  Vec<T> through(int64_t own, Left left, const T* product) const {
    const Vec<T> gradient = load(product);
    const Vec<T> masked = d.mask ? gradient * load(d.mask + own, left) : gradient;
    return load(d.grad_state[0] + own, left) + masked;
  }

  // One step back.
  void retreat(int64_t t, int64_t rows) {
    const int64_t place = s.offsets[t] + first, to = slot(place, rows);
    auto ahead = [&](const Part& part) { fetch(t, part); };
    auto use = [&](const Part& part, const T* tile) {
      for (int64_t m = 0; m < part.rows; m++) {
        const int64_t row = part.row + m;
        const T* before[2];
        for (int j = 0; j < C::states; j++) before[j] = state_before(t, row, j);
        for (int64_t b = 0; b < part.blocks; b++) {
          const int64_t left = H - (part.block + b) * lanes<T>;
          const T* product = tile + (m * part.blocks + b) * lanes<T>;
          if (left >= lanes<T>) update(place + row, to + row, row, part.block + b, before, product, Whole());
          else update(place + row, to + row, row, part.block + b, before, product, left);
        }
      }
    };
    multiply<T>(panels, d.packed, arrival(0, now), wide, rows, ahead, use);
    now = 1 - now;
    if (d.norm.scale)
      unnormalise<T>(d.norm, G, H, place, rows, {arrival(0, now), wide}, {d.grad_products + to * G * H, G * H});
    if (d.input_norm.scale)
      unnormalise<T>(d.input_norm, G, H, place, rows,
                     {d.grad_inputs + to * d.grad_inputs_stride, d.grad_inputs_stride}, {nullptr, 0});
    for (int64_t row = 0; s.resets && row < rows; row++)
      if (s.resets[place + row]) cut(row);
  }

  // h or c [H] of a row before step t.
  const T* state_before(int64_t t, int64_t row, int which) const {
    if (s.resets && s.resets[s.offsets[t] + first + row]) return nothing.row(0);
    const int64_t earlier = d.reverse ? t + 1 : t - 1;
    if (earlier < 0 || earlier >= s.steps || first + row >= s.batch_sizes[earlier])
      return d.initial[which] + (first + row) * H;
    const int64_t place = s.offsets[earlier] + first + row;
    return which ? d.saved + (place * C::saved + C::saved - 1) * H : d.outputs + place * d.outputs_stride;
  }

  void fetch(int64_t t, const Part& part) const {
    for (int64_t m = part.row; m < part.row + part.rows; m++) {
      const int64_t place = s.offsets[t] + first + m;
      const T* before = state_before(t, m, C::states - 1);
      for (int64_t b = part.block; b < part.block + part.blocks; b++) {
        const int64_t unit = b * lanes<T>;
        for (int j = 0; j < C::saved; j++) __builtin_prefetch(d.saved + (place * C::saved + j) * H + unit);
        const T* const normal[] = {d.input_norm.normalised, d.norm.normalised};
        for (const T* from : normal)
          for (int g = 0; from && g < G; g++) __builtin_prefetch(from + (place * G + g) * H + unit);
        __builtin_prefetch(before + unit);
        __builtin_prefetch(d.grad_outputs + place * d.grad_outputs_stride + unit);
        if (d.block) continue;
        __builtin_prefetch(d.previous + place * H + unit, 1);
        for (int g = 0; g < G; g++) {
          __builtin_prefetch(d.grad_inputs + place * d.grad_inputs_stride + g * H + unit, 1);
          if (d.grad_products) __builtin_prefetch(d.grad_products + (place * G + g) * H + unit, 1);
        }
      }
    }
  }

  // The gradients of a vector of units.
  template <class Left>
  void update(int64_t place, int64_t to, int64_t row, int64_t block, const T* const* before, const T* product,
              Left left) {
    const int64_t H = this->H, unit = block * lanes<T>, own = (first + row) * H + unit;
    T* const carried[2] = {d.grad_state[0] + own, C::states == 2 ? d.grad_state[1] + own : nullptr};
    const T* const kept = C::saved ? d.saved + place * C::saved * H + unit : nullptr;
    const T* const mask = d.mask ? d.mask + own : nullptr;
    T* const to_inputs = d.grad_inputs + to * d.grad_inputs_stride + unit;
    // A norm writes the product's gradient once it has turned it into that.
    T* const to_products = d.grad_products && !d.norm.scale ? d.grad_products + to * G * H + unit : nullptr;
    T* const to_arrival = arrival(row, 1 - now) + unit;
    T* const to_previous = d.previous + to * H + unit;
    Vec<T> dstate[C::states], saved[C::saved + 1], dx[G], du[G];
    dstate[0] = through(own, left, product) + load(d.grad_outputs + place * d.grad_outputs_stride + unit, left);
    for (int j = 1; j < C::states; j++) dstate[j] = load(carried[j], left);
    for (int j = 0; j < C::saved; j++) saved[j] = load(kept + j * H, left);
    const Vec<T> entered = load(before[0] + unit, left);
    const Vec<T> h = C::saved ? entered : load(d.outputs + place * d.outputs_stride + unit, left);
    C::backward(saved, C::before < 1 ? entered : load(before[C::states - 1] + unit, left), h, dstate, dx, du);
    for (int j = 0; j < C::states; j++) store(carried[j], dstate[j], left);
    store(to_previous, mask ? entered * load(mask, left) : entered, left);
    for (int g = 0; g < G; g++) {
      const Vec<T> product_gradient = C::separate ? du[g] : dx[g];
      store(to_inputs + g * H, dx[g], left);
      store(to_arrival + g * H, product_gradient, left);
      if (to_products) store(to_products + g * H, product_gradient, left);
    }
  }

  // Nothing reaches what was before a reset.
  void cut(int64_t row) {
    std::memset(arrival(row, now), 0, size_t(G * H) * sizeof(T));
    for (int j = 0; j < C::states; j++) std::memset(d.grad_state[j] + (first + row) * H, 0, size_t(H) * sizeof(T));
  }
};

}  // namespace throughtime::THROUGHTIME_ISA
