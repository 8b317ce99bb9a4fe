#include "layer.h"

#include <algorithm>
#include <cstdlib>
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

// Memory for packed matrices: kept by each thread for its next call, since fresh pages cost more than the packing; but
// not more than 64 MiB of it.
template <class T>
T* workspace(int64_t size) {
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  thread_local std::unique_ptr<void, Free> memory;
  thread_local size_t capacity = 0;
  constexpr size_t most_kept = size_t(64) << 20;
  const size_t bytes = (size_t(size) * sizeof(T) + 63) / 64 * 64;
  if (bytes > capacity || capacity > most_kept) {
    memory.reset(std::aligned_alloc(64, bytes));
    capacity = memory ? bytes : 0;
    if (!memory) throw std::bad_alloc();
  }
  return static_cast<T*>(memory.get());
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
  T* to = workspace<T>(size);
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
  explicit Plan(const Layer& layer) : offsets_(size_t(layer.steps) + 1, 0), lengths_(size_t(layer.batch), 0) {
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
    const double work = double(rows()) * double(layer.hidden) * double(layer.hidden) * gates_of(layer.cell);
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

}  // namespace

template <class T>
void forward(const LayerForward<T>& layer) {
  const int64_t H = layer.hidden, G = gates_of(layer.cell), S = saved_of(layer.cell), D = layer.directions;
  const Plan plan(layer);
  const int64_t N = plan.rows();
  std::vector<Source<T>> matrices;
  for (int64_t d = 0; d < D; d++) matrices.push_back({layer.weights[d], H, G, H, 1, H * H, H});
  const int64_t F = layer.depth, gates = D * G * H;
  for (int64_t d = 0; d < D && layer.input_weights; d++)
    matrices.push_back({layer.input_weights[d], F, G, H, 1, H * F, F});
  const Kernels<T>& k = kernels<T>();  // once: another may be chosen meanwhile
  const auto packed = pack(k, matrices, plan.threads);
  run_jobs(plan.threads, int64_t(plan.jobs.size()), [&](int number) {
    const Job& job = plan.jobs[size_t(number)];
    const int64_t d = job.direction, state = d * layer.batch * H;
    Input<T> input = {at(layer.data, d * G * H), layer.symbols, nullptr, nullptr, 0, gates};
    if (layer.input_weights)
      input = {layer.data, nullptr, packed[size_t(D + d)], layer.input_biases ? layer.input_biases[d] : nullptr, F, F};
    const Forward<T> direction = {
        input,
        packed[size_t(d)],
        layer.biases ? layer.biases[d] : nullptr,
        layer.norms ? layer.norms[d] : nullptr,
        at(layer.mask, state),
        {at(layer.state[0], state), at(layer.state[1], state)},
        layer.outputs + d * H,
        at(layer.saved, d * N * S * H),
        at(layer.normalised, d * N * G * H),
        at(layer.rates, d * N * G),
        D * H,
        layer.epsilon,
        d == 1,
    };
    k.forward(layer.cell, plan.shape, direction, job.first, job.last);
  });
}

template <class T>
void backward(const LayerBackward<T>& layer) {
  const int64_t H = layer.hidden, G = gates_of(layer.cell), S = saved_of(layer.cell), D = layer.directions;
  const Plan plan(layer);
  const int64_t N = plan.rows();
  std::vector<Source<T>> matrices;
  for (int64_t d = 0; d < D; d++) matrices.push_back({layer.weights[d], G * H, 1, H, H, 0, 1});
  const Kernels<T>& k = kernels<T>();  // once: another may be chosen meanwhile
  const auto packed = pack(k, matrices, plan.threads);
  const int64_t jobs = int64_t(plan.jobs.size());
  std::vector<T> sums(layer.norms ? size_t(jobs * 2 * G * H) : 0, T(0));  // a job's own sums over its rows
  run_jobs(plan.threads, jobs, [&](int number) {
    const Job& job = plan.jobs[size_t(number)];
    const int64_t d = job.direction, state = d * layer.batch * H;
    T* sum = layer.norms ? sums.data() + number * 2 * G * H : nullptr;
    const Backward<T> direction = {
        packed[size_t(d)],
        layer.norms ? layer.norms[d] : nullptr,
        at(layer.mask, state),
        {at(layer.initial[0], state), at(layer.initial[1], state)},
        layer.outputs + d * H,
        at(layer.saved, d * N * S * H),
        at(layer.normalised, d * N * G * H),
        at(layer.rates, d * N * G),
        layer.grad_outputs + d * H,
        {at(layer.grad_state[0], state), at(layer.grad_state[1], state)},
        layer.grad_inputs + d * G * H,
        at(layer.grad_products, d * N * G * H),
        layer.previous + d * N * H,
        sum,
        at(sum, G * H),
        D * H,
        D * H,
        D * G * H,
        d == 1,
    };
    k.backward(layer.cell, plan.shape, direction, job.first, job.last);
  });
  for (int64_t number = 0; layer.norms && number < jobs; number++)
    for (int64_t j = 0; j < G * H; j++) {
      const int64_t to = plan.jobs[size_t(number)].direction * G * H + j;
      layer.grad_norms[to] += sums[size_t(number * 2 * G * H + j)];
      layer.grad_biases[to] += sums[size_t((number * 2 + 1) * G * H + j)];
    }
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
  run_jobs(threads, jobs, [&](int job) {
    const int64_t first = groups * job / jobs * together, last = std::min(call.columns, groups * (job + 1) / jobs * together);
    k.outer(matrix, call.grads + first, call.stride, call.out + first * call.depth, call.depth, at(call.sums, first),
            last - first);
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
