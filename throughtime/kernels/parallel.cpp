#include "parallel.h"

#include <dlfcn.h>

#include <thread>
#include <vector>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace throughtime {
namespace {

class FlushDenormals {
 public:
#if defined(__SSE2__)
  FlushDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }  // flush to zero, denormals are zero
  ~FlushDenormals() { _mm_setcsr(before_); }

 private:
  unsigned before_;
#endif
};

struct Team {
  void (*body)(void*, int);
  void* context;
  int jobs;

  void work(int thread, int threads) const {
    const FlushDenormals flush;
    for (int job = thread; job < jobs; job += threads) body(context, job);
  }
};

struct OpenMP {
  void (*parallel)(void (*)(void*), void*, unsigned, unsigned);
  int (*thread)();
  int (*threads)();
};

OpenMP find_openmp() {
  return {reinterpret_cast<decltype(OpenMP::parallel)>(dlsym(RTLD_DEFAULT, "GOMP_parallel")),
          reinterpret_cast<decltype(OpenMP::thread)>(dlsym(RTLD_DEFAULT, "omp_get_thread_num")),
          reinterpret_cast<decltype(OpenMP::threads)>(dlsym(RTLD_DEFAULT, "omp_get_num_threads"))};
}

const OpenMP& openmp() {
  static const OpenMP found = find_openmp();
  return found;
}

}  // namespace

void parallel(int threads, int jobs, void (*body)(void*, int), void* context) {
  const Team team = {body, context, jobs};
  if (threads > jobs) threads = jobs;
  if (threads <= 1) return team.work(0, 1);
  const OpenMP& omp = openmp();
  if (omp.parallel && omp.thread && omp.threads) {
    auto member = [](void* team) { static_cast<Team*>(team)->work(openmp().thread(), openmp().threads()); };
    return omp.parallel(member, const_cast<Team*>(&team), unsigned(threads), 0);
  }
  std::vector<std::thread> others;
  for (int thread = 1; thread < threads; thread++) others.emplace_back([=] { team.work(thread, threads); });
  team.work(0, threads);
  for (auto& other : others) other.join();
}

}  // namespace throughtime
