// All kernels for one instruction set: compiled once for each, with THROUGHTIME_ISA as the namespace.
// No function of the standard library with code in a header may be used here or in what this includes: the linker keeps
// one copy of such a function, and might keep one that this machine cannot run.
#include "cells/elman.h"
#include "cells/gru.h"
#include "cells/lstm.h"
#include "loop.h"
#include "step.h"

namespace throughtime::THROUGHTIME_ISA {
namespace {

template <template <class, class> class Loop, class T, class Direction>
void run(Cell cell, const Shape& shape, const Direction& direction, int64_t first, int64_t last) {
  switch (cell) {
    case Cell::elman_tanh: return Loop<Elman<T, false>, T>(shape, direction, first, last).run();
    case Cell::elman_relu: return Loop<Elman<T, true>, T>(shape, direction, first, last).run();
    case Cell::lstm: return Loop<Lstm<T>, T>(shape, direction, first, last).run();
    case Cell::gru: return Loop<Gru<T>, T>(shape, direction, first, last).run();
  }
}

template <class T>
struct Of {
  static int64_t packed_size(const Source<T>& source) { return Panels<T>(source).size(); }
  static int64_t panels(const Source<T>& source) { return Panels<T>(source).count(); }
  static void forward(Cell cell, const Shape& s, const Forward<T>& d, int64_t first, int64_t last) {
    run<ForwardLoop, T>(cell, s, d, first, last);
  }
  static void backward(Cell cell, const Shape& s, const Backward<T>& d, int64_t first, int64_t last) {
    run<BackwardLoop, T>(cell, s, d, first, last);
  }
  static void run_step(Cell cell, Precision precision, const Step<T>& s, int64_t first, int64_t last) {
    step<T>(cell, precision, s, first, last);
  }
  static void run_compress(Precision precision, const Source<T>& source, const T* packed, void* to, T* scales) {
    if constexpr (sizeof(T) == 4) compress(precision, source, packed, to, scales);
    else (void)precision, (void)source, (void)packed, (void)to, (void)scales;
  }
  static double multiply_adds(int64_t rounds) {
    constexpr int chains = 12;
    Vec<T> sums[chains];
    for (auto& sum : sums) sum = broadcast(T(1));
    Vec<T> factor = broadcast(T(0.5));
    for (int64_t i = 0; i < rounds; i++) {
#pragma GCC unroll 12
      for (int j = 0; j < chains; j++) sums[j] = fma(sums[j], factor, factor);
    }
    Vec<T> sum{};
    for (auto& part : sums) sum += part;
    volatile T kept = sum_of<T>(sum);  // lest the loop be left out
    (void)kept;
    return double(rounds) * chains * lanes<T>;
  }
  static void logistics(const T* in, T* out, int64_t count) {
    for (int64_t i = 0; i < count; i += lanes<T>) store(out + i, logistic<T>(load(in + i, count - i)), count - i);
  }
  static void tanhs(const T* in, T* out, int64_t count) {
    for (int64_t i = 0; i < count; i += lanes<T>) store(out + i, tanh<T>(load(in + i, count - i)), count - i);
  }
  static constexpr Kernels<T> kernels = {packed_size, panels, pack<T>, product<T>, outer<T>, outer_scratch<T>, forward, backward,
                                         run_step, run_compress, multiply_adds, logistics, tanhs};
};

bool here() {
#if defined(__AVX512F__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
#elif defined(__AVX2__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
#else
  return true;
#endif
}

}  // namespace

#define NAME_OF(isa) #isa
#define NAME(isa) NAME_OF(isa)
extern const InstructionSet instruction_set = {NAME(THROUGHTIME_ISA), here, &Of<float>::kernels, &Of<double>::kernels};

}  // namespace throughtime::THROUGHTIME_ISA
