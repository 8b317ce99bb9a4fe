#include "dispatch.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace throughtime {

namespace baseline {
extern const InstructionSet instruction_set;
}
#if defined(THROUGHTIME_X86)
namespace avx2 {
extern const InstructionSet instruction_set;
}
namespace avx512 {
extern const InstructionSet instruction_set;
}
#endif

namespace {

const InstructionSet& named(const std::string& name) {
  std::string names;
  for (const InstructionSet* set : instruction_sets()) {
    if (name == set->name) return *set;
    names += std::string(names.empty() ? "" : ", ") + set->name;
  }
  throw std::invalid_argument("expected an instruction set of this machine (" + names + "), found " + name);
}

const InstructionSet& first_choice() {
  const char* name = std::getenv("THROUGHTIME_ISA");
  return name && *name ? named(name) : *instruction_sets().front();
}

std::atomic<const InstructionSet*> chosen{nullptr};

}  // namespace

const std::vector<const InstructionSet*>& instruction_sets() {
  static const std::vector<const InstructionSet*> here = [] {
    std::vector<const InstructionSet*> sets;
#if defined(THROUGHTIME_X86)
    for (const InstructionSet* set : {&avx512::instruction_set, &avx2::instruction_set})
      if (set->here()) sets.push_back(set);
#endif
    sets.push_back(&baseline::instruction_set);
    return sets;
  }();
  return here;
}

const InstructionSet& instruction_set() {
  const InstructionSet* set = chosen.load();
  if (!set) chosen.store(set = &first_choice());
  return *set;
}

void select(const char* name) { chosen.store(&named(name)); }

}  // namespace throughtime
