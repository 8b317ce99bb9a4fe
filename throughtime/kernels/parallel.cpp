#include "parallel.h"

#include <dlfcn.h>

#include <exception>
#include <mutex>
#include <new>
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

struct Team {
  void (*body)(void*, int);
  void* context;
  int jobs;
  std::mutex lock;
  std::exception_ptr failure;  // the first; it is thrown again where the team was called

  void work(int thread, int threads) {
    const FlushDenormals flush;
    try {
      for (int job = thread; job < jobs; job += threads) body(context, job);
    } catch (...) {
      const std::lock_guard<std::mutex> own(lock);
      if (!failure) failure = std::current_exception();
    }
  }
};

void run(Team& team, int threads) {
  if (threads <= 1) return team.work(0, 1);
  const OpenMP& omp = openmp();
  if (omp.parallel && omp.thread && omp.threads) {
    auto member = [](void* team) { static_cast<Team*>(team)->work(openmp().thread(), openmp().threads()); };
    return omp.parallel(member, &team, unsigned(threads), 0);
  }
  std::vector<std::thread> others;
  others.reserve(size_t(threads));
  int started = 1;
  try {
    for (; started < threads; started++) others.emplace_back([&team, started, threads] { team.work(started, threads); });
  } catch (const std::exception&) {  // no more threads to be had: their share is done here
  }
  team.work(0, threads);
  for (int thread = started; thread < threads; thread++) team.work(thread, threads);
  for (auto& other : others) other.join();
}

}  // namespace

void parallel(int threads, int jobs, void (*body)(void*, int), void* context) {
  Team team = {body, context, jobs, {}, {}};
  run(team, threads < jobs ? threads : jobs);
  if (team.failure) std::rethrow_exception(team.failure);
}

[[noreturn]] void out_of_memory() { throw std::bad_alloc(); }

}  // namespace throughtime
