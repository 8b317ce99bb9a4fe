#include "layer.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "dispatch.h"
#include "parallel.h"

namespace throughtime {
namespace {

template <class Body>
void run_jobs(int threads, int64_t jobs, Body body) {
  parallel(threads, int(jobs), [](void* context, int job) { (*static_cast<Body*>(context))(job); }, &body);
}

// What memory is for; each thread keeps what it had for its next call, since fresh pages cost more than what is written
// to them; more than 64 MiB only until a call that needs less.
enum class For { matrices, gradients, weights, count };

template <class T>
T* workspace(For use, int64_t size) {
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  struct Block {
    std::unique_ptr<void, Free> memory;
    size_t capacity = 0;
  };
  constexpr size_t most_kept = size_t(64) << 20;
  thread_local Block blocks[int(For::count)];
  Block& block = blocks[int(use)];
  const size_t bytes = (size_t(size) * sizeof(T) + 63) / 64 * 64;
  if (bytes > block.capacity || (block.capacity > most_kept && bytes <= most_kept)) {
    block.memory.reset();
    block.capacity = 0;
    block.memory.reset(std::aligned_alloc(64, std::max<size_t>(bytes, 64)));
    if (!block.memory) throw std::bad_alloc();
    block.capacity = bytes;
  }
#if defined(THROUGHTIME_FILL)
  std::memset(block.memory.get(), 0xff, bytes);  // NaN: tests see what is read before it is written
#endif
  return static_cast<T*>(block.memory.get());
}

// Fewer threads than asked where the work would not pay for waking them.
int useful_threads(int threads, double multiply_adds) {
  constexpr double enough = 1e5;
  return multiply_adds < enough ? 1 : threads;
}

// Every matrix in panels, side by side; returns where each begins.
template <class T>
std::vector<const T*> pack(const Kernels<T>& k, const std::vector<Source<T>>& matrices, int threads) {
  struct Part {
    const Source<T>* matrix;
    T* to;
    int64_t first, last;
  };
  std::vector<Part> parts;
  std::vector<const T*> begins;
  int64_t size = 0;
  for (const auto& matrix : matrices) size += k.packed_size(matrix);
  T* to = workspace<T>(For::matrices, size);
  for (const auto& matrix : matrices) {
    const int64_t panels = k.panels(matrix), share = std::max<int64_t>(1, panels / (4 * threads));
    for (int64_t first = 0; first < panels; first += share)
      parts.push_back({&matrix, to, first, std::min(panels, first + share)});
    begins.push_back(to);
    to += k.packed_size(matrix);
  }
  run_jobs(useful_threads(threads, 0.1 * double(size)), int64_t(parts.size()), [&](int job) {
    const Part& part = parts[size_t(job)];
    k.pack(*part.matrix, part.first, part.last, part.to);
  });
  return begins;
}

struct Job {
  int64_t direction, first, last;
};

class Plan {
 public:
  template <class Layer>
  Plan(const Layer& layer, int64_t depth) : offsets_(size_t(layer.steps) + 1, 0), lengths_(size_t(layer.batch), 0) {
    for (int64_t t = 0; t < layer.steps; t++) {
      if (layer.batch_sizes[t] < 0 || layer.batch_sizes[t] > (t ? layer.batch_sizes[t - 1] : layer.batch))
        throw std::invalid_argument("expected batch_sizes that never grow, from at most the number of rows of the state");
      offsets_[size_t(t) + 1] = offsets_[size_t(t)] + layer.batch_sizes[t];
      const int64_t next = t + 1 < layer.steps ? layer.batch_sizes[t + 1] : 0;
      for (int64_t row = next; row < layer.batch_sizes[t]; row++) lengths_[size_t(row)] = t + 1;
    }
    if (rows() != layer.rows)
      throw std::invalid_argument("expected batch_sizes whose sum is " + std::to_string(layer.rows) +
                                  " (the number of steps), found " + std::to_string(rows()));
    shape = {layer.steps, layer.batch, layer.hidden, layer.batch_sizes, offsets_.data(), layer.resets};
    const double work = double(rows()) * double(layer.hidden) * double(layer.hidden + depth) * gates_of(layer.cell);
    threads = useful_threads(layer.threads, work * double(layer.directions));
    // Whole directions a thread where that comes out even: then each core keeps one matrix in its cache.
    int64_t shares = threads;
    while (shares > 1 && (shares / 2) * layer.directions % threads == 0 && shares % 2 == 0) shares /= 2;
    for (const auto& [first, last] : ranges(shares))
      for (int64_t direction = 0; direction < layer.directions; direction++) jobs.push_back({direction, first, last});
    // The longer jobs first; a thread takes every `threads`-th.
  }

  int64_t rows() const { return offsets_.back(); }

  Shape shape;
  int threads;
  std::vector<Job> jobs;

 private:
  std::vector<int64_t> offsets_, lengths_;

  // At most `shares` ranges of rows that take about as long. A step of n rows costs about n + 1: the matrix passes once.
  std::vector<std::pair<int64_t, int64_t>> ranges(int64_t shares) const {
    const int64_t batch = int64_t(lengths_.size());
    int64_t low = 0, high = 2 * rows() + 1;
    std::vector<std::pair<int64_t, int64_t>> best = {{0, batch}};
    while (low < high && shares > 1) {
      const int64_t limit = (low + high) / 2;
      auto cut = cut_at(limit);
      if (int64_t(cut.size()) <= shares) {
        high = limit;
        best = std::move(cut);
      } else {
        low = limit + 1;
      }
    }
    return best;
  }

  std::vector<std::pair<int64_t, int64_t>> cut_at(int64_t limit) const {
    std::vector<std::pair<int64_t, int64_t>> cut;
    int64_t first = 0, cost = 0;
    const int64_t batch = int64_t(lengths_.size());
    for (int64_t row = 0; row < batch; row++) {
      const int64_t length = lengths_[size_t(row)];
      if (row == first) cost = 2 * length;
      else if (cost + length <= limit) cost += length;
      else cut.push_back({first, row}), first = row, cost = 2 * length;
    }
    if (batch) cut.push_back({first, batch});
    return cut;
  }
};

template <class T>
T* at(T* base, int64_t offset) {
  return base ? base + offset : nullptr;
}

template <class T>
void add(int threads, T* to, const T* from, int64_t size) {
  const int64_t jobs = useful_threads(threads, double(size));
  run_jobs(threads, jobs, [&](int job) {
    for (int64_t i = size * job / jobs; i < size * (job + 1) / jobs; i++) to[i] += from[i];
  });
}

// That of a direction; the backward pass adds to `sums` [2 * G * H].
template <class T, class Layer>
Norm<T> norm_of(const Layer& layer, const Norms<T>& norms, int64_t direction, T epsilon, T* sums) {
  if (!norms.scales) return {};
  const int64_t gates = direction * layer.rows * gates_of(layer.cell), GH = gates_of(layer.cell) * layer.hidden;
  return {norms.scales[direction], at(norms.normalised, gates * layer.hidden), at(norms.rates, gates), sums,
          at(sums, GH), epsilon};
}

// ---- forward ----

template <class T>
void check_symbols(const LayerForward<T>& layer) {
  for (int64_t n = 0; layer.symbols && n < layer.rows; n++)
    if (layer.symbols[n] < 0 || layer.symbols[n] >= layer.depth)
      throw std::invalid_argument("expected symbols from 0 to " + std::to_string(layer.depth - 1) + ", found " +
                                  std::to_string(layer.symbols[n]));
}

}  // namespace

template <class T>
void forward(const LayerForward<T>& layer) {
  const int64_t H = layer.hidden, G = gates_of(layer.cell), S = saved_of(layer.cell), D = layer.directions;
  const int64_t F = layer.depth, gates = D * G * H;
  check_symbols(layer);
  const Plan plan(layer, layer.input_weights ? F : 0);
  const int64_t N = plan.rows();
  const T* contributions = layer.input_weights ? nullptr : layer.data;
  bool in_loop = layer.input_weights;
  if (in_loop && int64_t(plan.jobs.size()) < plan.threads) {  // too few rows: but products have columns
    T* const made = workspace<T>(For::gradients, N * gates);
    const T* const* const biases = layer.input_norms.scales ? nullptr : layer.input_biases;  // not before the norm
    product<T>({layer.data, layer.input_weights, biases, made, N, F, G * H, D, false, layer.threads});
    contributions = made, in_loop = false;
  }
  std::vector<Source<T>> matrices;
  for (int64_t d = 0; d < D; d++) matrices.push_back({layer.weights[d], H, G, H, 1, H * H, H});
  for (int64_t d = 0; d < D && in_loop; d++)
    matrices.push_back({layer.input_weights[d], F, G, H, 1, H * F, F});
  const Kernels<T>& k = kernels<T>();  // once: another may be chosen meanwhile
  const auto packed = pack(k, matrices, plan.threads);
  run_jobs(plan.threads, int64_t(plan.jobs.size()), [&](int number) {
    const Job& job = plan.jobs[size_t(number)];
    const int64_t d = job.direction, state = d * layer.batch * H;
    const T* const bias = layer.input_biases ? layer.input_biases[d] : nullptr;
    const Norm<T> norm = norm_of<T>(layer, layer.input_norms, d, layer.epsilon, nullptr);
    Input<T> input = {at(contributions, d * G * H), layer.symbols, nullptr, bias, norm, 0, gates};
    if (in_loop) input = {layer.data, nullptr, packed[size_t(D + d)], bias, norm, F, F};
    const Forward<T> direction = {
        input,
        packed[size_t(d)],
        layer.biases ? layer.biases[d] : nullptr,
        norm_of<T>(layer, layer.norms, d, layer.epsilon, nullptr),
        at(layer.mask, state),
        {at(layer.state[0], state), at(layer.state[1], state)},
        layer.outputs + d * H,
        at(layer.saved, d * N * S * H),
        D * H,
        d == 1,
    };
    k.forward(layer.cell, plan.shape, direction, job.first, job.last);
  });
}

// ---- backward ----

namespace {

// Where a job's gradients go.
template <class T>
struct Gradients {
  const Block* block;
  T *inputs, *products, *previous;
  int64_t stride;  // of inputs
};

// The gradients of norms' scales and of the biases behind them; every job has sums of its own over its rows.
template <class T>
class NormSums {
 public:
  NormSums(const LayerBackward<T>& layer, const Norms<T>& norms, T* grad_biases, const Plan& plan)
      : layer(layer), norms(norms), grad_biases(grad_biases), plan(plan), GH(gates_of(layer.cell) * layer.hidden),
        apart(2 * GH + 64 / int64_t(sizeof(T))), sums(norms.scales ? plan.jobs.size() * size_t(apart) : 0, T(0)) {}

  // As the loop of that job takes it.
  Norm<T> norm(int64_t job) {
    return norm_of<T>(layer, norms, plan.jobs[size_t(job)].direction, T(0), at(sums.data(), job * apart));
  }

  // To the layer's.
  void hand_over() const {
    for (size_t job = 0; norms.scales && job < plan.jobs.size(); job++) {
      const int64_t to = plan.jobs[job].direction * GH;
      const T* const own = sums.data() + int64_t(job) * apart;
      add(1, norms.grad_scales + to, own, GH);
      if (grad_biases) add(1, grad_biases + to, own + GH, GH);
    }
  }

 private:
  const LayerBackward<T>& layer;
  const Norms<T>& norms;
  T* const grad_biases;
  const Plan& plan;
  const int64_t GH, apart;  // no two jobs write to one cache line
  std::vector<T> sums;
};

// What the jobs of a backward pass share.
template <class T>
struct Pass {
  const LayerBackward<T>& layer;
  const Plan& plan;
  const Kernels<T>& k;
  const std::vector<const T*> packed;
  const bool separate;  // whether the gradient of the recurrent product is another than the input's
  NormSums<T> input_norms, norms;
};

template <class T>
void run_backward(Pass<T>& pass, int64_t number, const Gradients<T>& to) {
  const LayerBackward<T>& layer = pass.layer;
  const Job& job = pass.plan.jobs[size_t(number)];
  const int64_t H = layer.hidden, S = saved_of(layer.cell), D = layer.directions;
  const int64_t N = layer.rows, d = job.direction, state = d * layer.batch * H;
  const Backward<T> direction = {
      to.block,
      pass.packed[size_t(d)],
      pass.input_norms.norm(number),
      pass.norms.norm(number),
      at(layer.mask, state),
      {at(layer.initial[0], state), at(layer.initial[1], state)},
      layer.outputs + d * H,
      at(layer.saved, d * N * S * H),
      layer.grad_outputs + d * H,
      {at(layer.grad_state[0], state), at(layer.grad_state[1], state)},
      to.inputs,
      to.products,
      to.previous,
      D * H,
      D * H,
      to.stride,
      d == 1,
  };
  pass.k.backward(layer.cell, pass.plan.shape, direction, job.first, job.last);
}

// A few steps' gradients at a time, while they are in cache: into those of the input and of the weights.
template <class T>
class BlockWork {
 public:
  static constexpr int64_t fewest = 128;  // rows: as many as an outer product takes at once

  static int64_t rows(const Plan& plan) { return std::max(fewest, plan.shape.batch); }

  // In elements; places are counted as T too.
  static int64_t size(const Pass<T>& pass) {
    const LayerBackward<T>& layer = pass.layer;
    const int64_t H = layer.hidden, GH = gates_of(layer.cell) * H, F = layer.depth;
    const int64_t per_row = GH * (pass.separate ? 2 : 1) + H + 2 * F + int64_t(sizeof(int64_t) / sizeof(T));
    return align(rows(pass.plan) * per_row + GH * (F + H + 2) + scratch_size(pass.k, std::max(F, H), GH));
  }

  // `own_weights`: the job adds to its own sums, in the end of `memory`; otherwise right to the layer's.
  BlockWork(const Pass<T>& pass, int64_t d, T* memory, T* grad_data, bool own_weights)
      : layer(pass.layer), k(pass.k), H(layer.hidden), GH(gates_of(layer.cell) * H), F(layer.depth),
        grad_data(grad_data), transposed(grad_data ? pass.packed[size_t(layer.directions + d)] : nullptr) {
    const int64_t R = rows(pass.plan);
    block = {R, reinterpret_cast<int64_t*>(take(memory, R * int64_t(sizeof(int64_t) / sizeof(T)))), use, this};
    inputs = take(memory, R * GH);
    products = pass.separate ? take(memory, R * GH) : nullptr;
    previous = take(memory, R * H);
    vectors = take(memory, R * F);
    to_vectors = take(memory, R * F);
    scratch = take(memory, scratch_size(k, std::max(F, H), GH));
    if (own_weights) {
      std::memset(memory, 0, size_t(GH * (F + H + 2)) * sizeof(T));
      input_weights = take(memory, GH * F), weights = take(memory, GH * H);
      input_biases = take(memory, GH), biases = take(memory, GH);
    } else {
      input_weights = layer.grad_input_weights + d * GH * F, weights = layer.grad_weights + d * GH * H;
      input_biases = at(layer.grad_input_biases, d * GH), biases = at(layer.grad_biases, d * GH);
    }
    if (layer.input_norms.scales) input_biases = nullptr;  // the norms' sums have them
    if (layer.norms.scales) biases = nullptr;
  }

  Gradients<T> gradients() const { return {&block, inputs, products, previous, GH}; }

  // To the layer's, from a job's own.
  void hand_over(int64_t d) const {
    add(layer.threads, layer.grad_input_weights + d * GH * F, input_weights, GH * F);
    add(layer.threads, layer.grad_weights + d * GH * H, weights, GH * H);
    if (layer.grad_input_biases && input_biases) add(1, layer.grad_input_biases + d * GH, input_biases, GH);
    if (layer.grad_biases && biases) add(1, layer.grad_biases + d * GH, biases, GH);
  }

 private:
  const LayerBackward<T>& layer;
  const Kernels<T>& k;
  const int64_t H, GH, F;
  T* const grad_data;
  T *inputs, *products, *previous, *vectors, *to_vectors, *scratch;
  T *input_weights, *input_biases, *weights, *biases;
  const T* const transposed;
  Block block;

  static int64_t scratch_size(const Kernels<T>& k, int64_t units, int64_t columns) {
    return k.outer_scratch({nullptr, 0, 1, units, 0, 0, 1}, columns);
  }
  static int64_t align(int64_t size) { return (size + 15) / 16 * 16; }
  static T* take(T*& memory, int64_t size) {
    T* const own = memory;
    memory += size;
    return own;
  }

  static void use(void* context, int64_t rows) { static_cast<const BlockWork*>(context)->use(rows); }

  void use(int64_t rows) const {
    for (int64_t row = 0; row < rows; row++)
      std::memcpy(vectors + row * F, layer.data + block.places[row] * F, size_t(F) * sizeof(T));
    k.outer({vectors, rows, 1, F, F, 0, 1}, inputs, GH, input_weights, F, input_biases, GH, scratch);
    k.outer({previous, rows, 1, H, H, 0, 1}, products ? products : inputs, GH, weights, H, biases, GH, scratch);
    if (!grad_data) return;
    k.product({nullptr, GH, 1, F, F, 0, 1}, transposed, nullptr, inputs, GH, to_vectors, F, rows);
    for (int64_t row = 0; row < rows; row++)
      std::memcpy(grad_data + block.places[row] * F, to_vectors + row * F, size_t(F) * sizeof(T));
  }
};

template <class T>
void backward_in_blocks(Pass<T>& pass) {
  const LayerBackward<T>& layer = pass.layer;
  const std::vector<Job>& all = pass.plan.jobs;
  const int64_t D = layer.directions, N = layer.rows, F = layer.depth, jobs = int64_t(all.size());
  const int64_t size = BlockWork<T>::size(pass);
  T* const memory = workspace<T>(For::gradients, jobs * size + (D - 1) * N * F);
  T* const other = memory + jobs * size;  // the gradient of the data, from the second direction
  std::vector<std::unique_ptr<BlockWork<T>>> works;
  for (int64_t number = 0; number < jobs; number++) {
    const int64_t d = all[size_t(number)].direction;
    const bool own_weights = number >= D;  // the first jobs are one a direction
    T* const grad_data = layer.grad_data ? (d ? other : layer.grad_data) : nullptr;
    works.push_back(std::make_unique<BlockWork<T>>(pass, d, memory + number * size, grad_data, own_weights));
  }
  run_jobs(pass.plan.threads, jobs,
           [&](int number) { run_backward<T>(pass, number, works[size_t(number)]->gradients()); });
  for (int64_t number = D; number < jobs; number++) works[size_t(number)]->hand_over(all[size_t(number)].direction);
  if (layer.grad_data && D == 2) add(layer.threads, layer.grad_data, other, N * F);
}

// All steps' gradients, and then products with all of them.
template <class T>
void backward_whole(Pass<T>& pass) {
  const LayerBackward<T>& layer = pass.layer;
  const bool separate = pass.separate;
  const int64_t H = layer.hidden, GH = gates_of(layer.cell) * H, D = layer.directions, N = layer.rows, F = layer.depth;
  const int64_t wide = layer.grad_inputs ? 0 : N * D * GH;
  T* const memory = workspace<T>(For::gradients, wide + (separate ? D * N * GH : 0) + D * N * H);
  T* const inputs = layer.grad_inputs ? layer.grad_inputs : memory;
  T* const products = separate ? memory + wide : nullptr;
  T* const previous = memory + wide + (separate ? D * N * GH : 0);
  run_jobs(pass.plan.threads, int64_t(pass.plan.jobs.size()), [&](int number) {
    const int64_t d = pass.plan.jobs[size_t(number)].direction;
    run_backward<T>(pass, number,
                    {nullptr, inputs + d * GH, at(products, d * N * GH), previous + d * N * H, D * GH});
  });
  for (int64_t d = 0; d < D; d++)
    outer<T>({separate ? products + d * N * GH : inputs + d * GH, previous + d * N * H, layer.grad_weights + d * GH * H,
              layer.norms.scales ? nullptr : at(layer.grad_biases, d * GH), N, GH, H, separate ? GH : D * GH,
              layer.threads});
  if (!layer.input_weights) return;
  outer<T>({inputs, layer.data, layer.grad_input_weights, layer.input_norms.scales ? nullptr : layer.grad_input_biases,
            N, D * GH, F, D * GH, layer.threads});
  if (!layer.grad_data) return;
  T* const matrix = workspace<T>(For::weights, D * GH * F);
  for (int64_t d = 0; d < D; d++)
    std::memcpy(matrix + d * GH * F, layer.input_weights[d], size_t(GH * F) * sizeof(T));
  const T* const one[] = {matrix};
  product<T>({inputs, one, nullptr, layer.grad_data, N, D * GH, F, 1, true, layer.threads});
}

}  // namespace

template <class T>
void backward(const LayerBackward<T>& layer) {
  const int64_t H = layer.hidden, G = gates_of(layer.cell), D = layer.directions, F = layer.depth;
  const bool separate = layer.cell == Cell::gru || layer.input_norms.scales || layer.norms.scales;
  // Every thread has sums of its own for the weights' gradients: of larger matrices they would not stay in its cache.
  constexpr int64_t largest = int64_t(4) << 20;
  const Plan plan(layer, layer.input_weights ? F : 0);
  const bool fits = G * H * (F + H) * int64_t(sizeof(T)) <= largest;
  const bool in_blocks = layer.input_weights && fits && int64_t(plan.jobs.size()) >= plan.threads;
  std::vector<Source<T>> matrices;
  for (int64_t d = 0; d < D; d++) matrices.push_back({layer.weights[d], G * H, 1, H, H, 0, 1});
  for (int64_t d = 0; d < D && in_blocks && layer.grad_data; d++)
    matrices.push_back({layer.input_weights[d], G * H, 1, F, F, 0, 1});
  const Kernels<T>& k = kernels<T>();  // once: another may be chosen meanwhile
  Pass<T> pass = {layer, plan, k, pack(k, matrices, plan.threads), separate,
                  {layer, layer.input_norms, layer.grad_input_biases, plan},
                  {layer, layer.norms, layer.grad_biases, plan}};
  if (in_blocks) backward_in_blocks(pass);
  else backward_whole(pass);
  pass.input_norms.hand_over();
  pass.norms.hand_over();
}

template <class T>
void product(const Product<T>& p) {
  const int threads = useful_threads(p.threads, double(p.rows) * double(p.depth) * double(p.columns * p.count));
  std::vector<Source<T>> sources;
  for (int64_t i = 0; i < p.count; i++)
    sources.push_back(p.transposed ? Source<T>{p.matrices[i], p.depth, 1, p.columns, p.columns, 0, 1}
                                   : Source<T>{p.matrices[i], p.depth, 1, p.columns, 1, 0, p.depth});
  const Kernels<T>& k = kernels<T>();
  const auto packed = pack(k, sources, threads);
  constexpr int64_t chunk = 96;  // rows that stay in the nearer caches while the panels pass
  const int64_t jobs = std::min<int64_t>(threads, p.rows);
  run_jobs(threads, jobs, [&](int job) {
    const int64_t last = p.rows * (job + 1) / jobs;
    for (int64_t row = p.rows * job / jobs; row < last; row += chunk)
      for (int64_t i = 0; i < p.count; i++)
        k.product(sources[size_t(i)], packed[size_t(i)], p.biases ? p.biases[i] : nullptr,
                             p.in + row * p.depth, p.depth, p.out + (row * p.count + i) * p.columns,
                             p.count * p.columns, std::min(chunk, last - row));
  });
}

template <class T>
void outer(const Outer<T>& call) {
  const int threads = useful_threads(call.threads, double(call.rows) * double(call.depth) * double(call.columns));
  const Kernels<T>& k = kernels<T>();
  const Source<T> matrix = {call.in, call.rows, 1, call.depth, call.depth, 0, 1};
  constexpr int64_t together = 16;  // columns that share their cache lines
  const int64_t groups = (call.columns + together - 1) / together, jobs = std::min<int64_t>(threads, groups);
  const int64_t size = (k.outer_scratch(matrix, call.columns) + 15) / 16 * 16;
  T* const scratch = workspace<T>(For::matrices, jobs * size);
  run_jobs(threads, jobs, [&](int job) {
    const int64_t first = groups * job / jobs * together, last = std::min(call.columns, groups * (job + 1) / jobs * together);
    k.outer(matrix, call.grads + first, call.stride, call.out + first * call.depth, call.depth, at(call.sums, first),
            last - first, scratch + job * size);
  });
}

#define INSTANTIATE(T)                               \
  template void forward<T>(const LayerForward<T>&);   \
  template void backward<T>(const LayerBackward<T>&); \
  template void product<T>(const Product<T>&);         \
  template void outer<T>(const Outer<T>&);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace throughtime
