// The Python face: every array is an address, and the caller (throughtime/ops/kernels.py) has checked its size and type.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "dispatch.h"
#include "layer.h"
#include "parallel.h"
#include "stepper.h"

namespace nb = nanobind;
namespace tt = throughtime;

namespace {

using Address = uintptr_t;
using Addresses = std::vector<uintptr_t>;

template <class T>
T* at(Address address) {
  return reinterpret_cast<T*>(address);
}

template <class T>
std::vector<const T*> all_at(const Addresses& addresses) {
  std::vector<const T*> pointers;
  for (Address address : addresses) pointers.push_back(at<const T>(address));
  return pointers;
}

template <class T>
const T* const* or_null(const std::vector<const T*>& pointers) {
  return pointers.empty() ? nullptr : pointers.data();
}

struct Sizes {
  int cell;
  int64_t rows, steps, batch, hidden;
  int threads;
  Address batch_sizes, resets;
};

struct Norms {
  Addresses scales;
  Address normalised, rates, grad_scales;
};

template <class T>
tt::Norms<T> norms_at(const Norms& norms, const std::vector<const T*>& scales) {
  return {or_null(scales), at<T>(norms.normalised), at<T>(norms.rates), at<T>(norms.grad_scales)};
}

template <class T>
void forward(const Sizes& s, Address data, int64_t depth, Address symbols, const Addresses& input_weights,
             const Addresses& input_biases, const Norms& input_norms, const Addresses& weights, const Addresses& biases,
             const Norms& norms, double epsilon, Address mask, Address h, Address c, Address outputs, Address saved) {
  const auto input_weights_at = all_at<T>(input_weights), input_biases_at = all_at<T>(input_biases);
  const auto weights_at = all_at<T>(weights), biases_at = all_at<T>(biases);
  const auto input_scales = all_at<T>(input_norms.scales), scales = all_at<T>(norms.scales);
  tt::forward<T>({tt::Cell(s.cell), s.rows, s.steps, s.batch, s.hidden, int64_t(weights.size()), s.threads,
                  at<const int64_t>(s.batch_sizes), at<const uint8_t>(s.resets), at<const T>(data), depth,
                  at<const int64_t>(symbols), or_null(input_weights_at), or_null(input_biases_at), weights_at.data(),
                  or_null(biases_at), norms_at(input_norms, input_scales), norms_at(norms, scales), T(epsilon),
                  at<const T>(mask), {at<T>(h), at<T>(c)}, at<T>(outputs), at<T>(saved)});
}

template <class T>
void backward(const Sizes& s, Address data, int64_t depth, const Addresses& input_weights, const Addresses& weights,
              const Norms& input_norms, const Norms& norms, Address mask, Address h, Address c, Address outputs,
              Address saved, Address grad_outputs, Address grad_h, Address grad_c, Address grad_inputs,
              Address grad_data, Address grad_input_weights, Address grad_input_biases, Address grad_weights,
              Address grad_biases) {
  const auto input_weights_at = all_at<T>(input_weights), weights_at = all_at<T>(weights);
  const auto input_scales = all_at<T>(input_norms.scales), scales = all_at<T>(norms.scales);
  tt::backward<T>({tt::Cell(s.cell), s.rows, s.steps, s.batch, s.hidden, int64_t(weights.size()), s.threads,
                   at<const int64_t>(s.batch_sizes), at<const uint8_t>(s.resets), at<const T>(data), depth,
                   or_null(input_weights_at), weights_at.data(), norms_at(input_norms, input_scales),
                   norms_at(norms, scales), at<const T>(mask), {at<const T>(h), at<const T>(c)}, at<const T>(outputs),
                   at<const T>(saved), at<const T>(grad_outputs), {at<T>(grad_h), at<T>(grad_c)}, at<T>(grad_inputs),
                   at<T>(grad_data), at<T>(grad_input_weights), at<T>(grad_input_biases), at<T>(grad_weights),
                   at<T>(grad_biases)});
}

template <class T>
void product(Address in, const Addresses& matrices, const Addresses& biases, Address out, int64_t rows, int64_t depth,
             int64_t columns, bool transposed, int threads) {
  const auto matrices_at = all_at<T>(matrices), biases_at = all_at<T>(biases);
  tt::product<T>({at<const T>(in), matrices_at.data(), or_null(biases_at), at<T>(out), rows, depth, columns,
                  int64_t(matrices.size()), transposed, threads});
}

template <class T>
void make_stepper(tt::Stepper<T>* to, int cell, int64_t batch, int64_t hidden, int precision,
                  const std::vector<int64_t>& inputs, const Addresses& weights) {
  std::vector<typename tt::Stepper<T>::Layer> layers;
  for (size_t i = 0; i < inputs.size(); i++)
    layers.push_back({inputs[i], at<const T>(weights[4 * i]), at<const T>(weights[4 * i + 1]),
                      at<const T>(weights[4 * i + 2]), at<const T>(weights[4 * i + 3])});
  new (to) tt::Stepper<T>(tt::Cell(cell), batch, hidden, tt::Precision(precision), layers);
}

template <class T>
void define_stepper(nb::module_& m, const std::string& suffix) {
  using Stepper = tt::Stepper<T>;
  nb::class_<Stepper>(m, ("Stepper" + suffix).c_str())
      .def("__init__", make_stepper<T>)
      .def("step", [](Stepper& s, Address x, Address y, int threads) { s.step(at<const T>(x), nullptr, at<T>(y), threads); })
      .def("step_symbols", [](Stepper& s, Address symbols, Address y, int threads) {
        s.step(nullptr, at<const int64_t>(symbols), at<T>(y), threads);
      })
      .def("reset", &Stepper::reset)
      .def("read_state", [](const Stepper& s, Address h, Address c) { s.read_state(at<T>(h), at<T>(c)); })
      .def("write_state", [](Stepper& s, Address h, Address c) { s.write_state(at<const T>(h), at<const T>(c)); });
}

template <class T>
void define(nb::module_& m, const char* type) {
  const nb::call_guard<nb::gil_scoped_release> without_lock;
  const std::string suffix = std::string("_") + type;
  m.def(("forward" + suffix).c_str(), forward<T>, without_lock);
  m.def(("backward" + suffix).c_str(), backward<T>, without_lock);
  m.def(("product" + suffix).c_str(), product<T>, without_lock);
  define_stepper<T>(m, suffix);
  m.def(("logistic" + suffix).c_str(), [](Address in, Address out, int64_t count) {
    tt::kernels<T>().logistic(at<const T>(in), at<T>(out), count);
  });
  m.def(("tanh" + suffix).c_str(), [](Address in, Address out, int64_t count) {
    tt::kernels<T>().tanh(at<const T>(in), at<T>(out), count);
  });
}

}  // namespace

NB_MODULE(_kernels, m) {
  nb::class_<Sizes>(m, "Sizes").def(nb::init<int, int64_t, int64_t, int64_t, int64_t, int, Address, Address>());
  nb::class_<Norms>(m, "Norms").def(nb::init<Addresses, Address, Address, Address>());
  define<float>(m, "float32");
  define<double>(m, "float64");
  // Multiply-adds of float32 done by so many threads, and nothing else: what a machine can do at best.
  m.def("multiply_adds", [](int64_t rounds, int threads) {
    std::vector<double> done(size_t(threads), 0.0);
    struct Call {
      int64_t rounds;
      std::vector<double>& done;
    } call = {rounds, done};
    tt::parallel(threads, threads, [](void* context, int job) {
      Call& call = *static_cast<Call*>(context);
      call.done[size_t(job)] = tt::kernels<float>().multiply_adds(call.rounds);
    }, &call);
    double sum = 0;
    for (double part : done) sum += part;
    return sum;
  });
  m.def("instruction_sets", [] {
    std::vector<std::string> names;
    for (const tt::InstructionSet* set : tt::instruction_sets()) names.push_back(set->name);
    return names;
  });
  m.def("instruction_set", [] { return std::string(tt::instruction_set().name); });
  m.def("select", [](const std::string& name) { tt::select(name.c_str()); });
}
