/* Times what ranks do between gradient and update: an exchange with the neighbour through the library of `onespike mpi
 * build`, and the addition of what came. Prints a line of JSON for every number of bytes.
 *
 *   cc -O2 exchange.c -o exchange -ldl && mpirun -n 2 ./exchange LIBRARY REPETITIONS BYTES... */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

int main(int count, char** words) {
  char error[512] = "";
  void* const library = count > 3 ? dlopen(words[1], RTLD_NOW | RTLD_GLOBAL) : NULL;
  if (library == NULL) return fprintf(stderr, "Expected LIBRARY REPETITIONS BYTES...: %s\n", dlerror()), 2;
  int (*init)(double, char*, size_t) = (int (*)(double, char*, size_t))dlsym(library, "onespike_mpi_init");
  int (*rank)(void) = (int (*)(void))dlsym(library, "onespike_mpi_rank");
  int (*barrier)(char*, size_t) = (int (*)(char*, size_t))dlsym(library, "onespike_mpi_barrier");
  int (*finalize)(char*, size_t) = (int (*)(char*, size_t))dlsym(library, "onespike_mpi_finalize");
  int (*exchange)(int, const void*, void*, size_t, char*, size_t) =
      (int (*)(int, const void*, void*, size_t, char*, size_t))dlsym(library, "onespike_mpi_exchange");
  if (init(60, error, sizeof error)) return fprintf(stderr, "%s\n", error), 1;
  const int repetitions = atoi(words[2]);
  double* const moved = calloc((size_t)repetitions, sizeof(double));
  double* const added = calloc((size_t)repetitions, sizeof(double));
  for (int i = 3; i < count; i++) {
    const size_t bytes = (size_t)atoll(words[i]), numbers = bytes / sizeof(float);
    float *const own = calloc(numbers + 1, sizeof(float)), *const other = calloc(numbers + 1, sizeof(float));
    for (int r = -1; r < repetitions; r++) {
      if (barrier(error, sizeof error)) return fprintf(stderr, "%s\n", error), 1;
      const double begin = now();
      if (exchange(rank() ^ 1, own, other, bytes, error, sizeof error)) return fprintf(stderr, "%s\n", error), 1;
      const double middle = now();
      for (size_t n = 0; n < numbers; n++) own[n] += other[n];
      if (r < 0) continue;
      moved[r] = middle - begin, added[r] = now() - middle;
    }
    qsort(moved, (size_t)repetitions, sizeof(double), compare);
    qsort(added, (size_t)repetitions, sizeof(double), compare);
    if (rank() == 0)
      printf("{\"bytes\":%zu,\"exchange\":%.9f,\"add\":%.9f}\n", bytes, moved[repetitions / 2], added[repetitions / 2]);
    free(own), free(other);
  }
  return finalize(error, sizeof error);
}
