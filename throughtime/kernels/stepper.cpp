#include "stepper.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "dispatch.h"
#include "parallel.h"

namespace throughtime {

template <class T>
void Stepper<T>::Free::operator()(void* memory) const {
  std::free(memory);
}

template <class T>
template <class E>
typename Stepper<T>::template Memory<E> Stepper<T>::allocate(int64_t size) {
  const size_t bytes = (size_t(size) * sizeof(E) + 64) / 64 * 64;
  void* memory = std::aligned_alloc(64, bytes);
  if (!memory) throw std::bad_alloc();
  std::memset(memory, 0, bytes);
  return Memory<E>(static_cast<E*>(memory));
}

template <class T>
Stepper<T>::Stepper(Cell cell, int64_t batch, int64_t hidden, Precision precision, const std::vector<Layer>& layers)
    : cell_(cell), batch_(batch), hidden_(hidden), precision_(precision), kernels_(kernels<T>()) {
  panels_ = kernels_.panels({nullptr, hidden, gates_of(cell), hidden, 0, 0, 0});
  const bool apart = cell == Cell::gru;  // its candidate's recurrent bias stands inside the reset gate
  for (const Layer& layer : layers) {
    Packed packed;
    packed.input = pack(layer.weight_ih, layer.bias_ih, apart ? nullptr : layer.bias_hh, layer.input);
    packed.recurrent = pack(layer.weight_hh, apart ? layer.bias_hh : nullptr, nullptr, hidden);
    for (auto& h : packed.h) h = allocate<T>(state_size());
    packed.c = allocate<T>(state_size());
    layers_.push_back(std::move(packed));
  }
}

template <class T>
typename Stepper<T>::Matrix Stepper<T>::pack(const T* weight, const T* bias, const T* other_bias, int64_t depth) const {
  const int64_t G = gates_of(cell_), H = hidden_;
  const Source<T> source = {weight, depth, G, H, 1, H * depth, depth};
  const int64_t size = kernels_.packed_size(source), columns = depth ? size / depth : 0;
  Memory<char> full = allocate<char>(size * int64_t(sizeof(T)));
  kernels_.pack(source, 0, panels_, reinterpret_cast<T*>(full.get()));
  Matrix matrix = {std::move(full), nullptr, nullptr, depth};
  if (precision_ != Precision::full) {
    Memory<char> small = allocate<char>(precision_ == Precision::int8 ? size : 2 * size);
    if (precision_ == Precision::int8) matrix.scales = allocate<T>(columns);
    kernels_.compress(precision_, source, reinterpret_cast<T*>(matrix.packed.get()), small.get(), matrix.scales.get());
    matrix.packed = std::move(small);
  }
  if (bias || other_bias) {  // a matrix of one row, packed like the weights
    std::vector<T> sum(size_t(G * H));
    for (int64_t j = 0; j < G * H; j++) sum[size_t(j)] = (bias ? bias[j] : T(0)) + (other_bias ? other_bias[j] : T(0));
    matrix.bias = allocate<T>(columns);
    kernels_.pack({sum.data(), 1, G, H, 0, H, 1}, 0, panels_, matrix.bias.get());
  }
  return matrix;
}

template <class T>
void Stepper<T>::step(const T* x, const int64_t* symbols, T* y, int threads) {
  // Below this many weights the others would not wake in time.
  constexpr int64_t enough = 1 << 18;
  for (Packed& layer : layers_) {
    const Step<T> step = {batch_,       hidden_, layer.input.view(),     layer.recurrent.view(),     x,
                          symbols,      layer.h[now_].get(), layer.h[1 - now_].get(), layer.c.get()};
    const int64_t weights = gates_of(cell_) * hidden_ * (hidden_ + layer.input.depth) * batch_;
    struct Call {
      const Stepper* self;
      const Step<T>* step;
      int jobs;
    } call = {this, &step, weights < enough ? 1 : threads};
    parallel(call.jobs, call.jobs, [](void* context, int job) {
      const Call& call = *static_cast<Call*>(context);
      const int64_t panels = call.self->panels_;
      call.self->kernels_.step(call.self->cell_, call.self->precision_, *call.step, panels * job / call.jobs,
                               panels * (job + 1) / call.jobs);
    }, &call);
    x = layer.h[1 - now_].get();
    symbols = nullptr;
  }
  now_ = 1 - now_;
  std::memcpy(y, x, size_t(state_size()) * sizeof(T));
}

template <class T>
void Stepper<T>::reset() {
  for (Packed& layer : layers_) {
    std::memset(layer.h[now_].get(), 0, size_t(state_size()) * sizeof(T));
    std::memset(layer.c.get(), 0, size_t(state_size()) * sizeof(T));
  }
}

template <class T>
void Stepper<T>::read_state(T* h, T* c) const {
  for (const Packed& layer : layers_) {
    std::memcpy(h, layer.h[now_].get(), size_t(state_size()) * sizeof(T)), h += state_size();
    if (c) std::memcpy(c, layer.c.get(), size_t(state_size()) * sizeof(T)), c += state_size();
  }
}

template <class T>
void Stepper<T>::write_state(const T* h, const T* c) {
  for (Packed& layer : layers_) {
    std::memcpy(layer.h[now_].get(), h, size_t(state_size()) * sizeof(T)), h += state_size();
    if (c) std::memcpy(layer.c.get(), c, size_t(state_size()) * sizeof(T)), c += state_size();
  }
}

template class Stepper<float>;
template class Stepper<double>;

}  // namespace throughtime
