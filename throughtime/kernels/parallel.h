// Runs jobs on threads, without a pool of its own.
#pragma once

namespace throughtime {

// Calls body(context, job) for every job from 0 to jobs - 1, on at most `threads` threads, and waits for all.
// Denormal numbers are flushed to zero inside, on x86, and the caller's setting is restored.
//
// Where the process has GNU OpenMP loaded (PyTorch's Linux builds bring it), the jobs run on its threads: two pools would
// spin on the same cores, each in the other's way. Elsewhere threads are started for the call.
void parallel(int threads, int jobs, void (*body)(void* context, int job), void* context);

}  // namespace throughtime
