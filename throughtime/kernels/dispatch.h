// Which instruction set's kernels run.
#pragma once

#include <vector>

#include "kernels.h"

namespace throughtime {

// Those that were compiled and that this machine has, the best first.
const std::vector<const InstructionSet*>& instruction_sets();

// The one in use: the best, or what the environment variable THROUGHTIME_ISA names, or what `select` chose.
const InstructionSet& instruction_set();

// Throws std::invalid_argument for a name that this machine does not have.
void select(const char* name);

template <class T>
const Kernels<T>& kernels();
template <>
inline const Kernels<float>& kernels<float>() { return *instruction_set().float32; }
template <>
inline const Kernels<double>& kernels<double>() { return *instruction_set().float64; }

}  // namespace throughtime
