/* The MPI of this machine behind functions of plain C. The binary interfaces of Open MPI, MPICH and their relatives
 * differ, so this file is compiled on the machine, with its own mpicc, by `onespike mpi build`, and loaded at run time
 * by native/comm/mpi_communicator.cc. Every function that can fail answers 0, or 1 with a message in `error`.
 *
 * MPI itself waits for ever. Here every wait polls non-blocking requests, and a thread of each rank answers pings: a
 * rank that computes for minutes answers, one that is dead, stopped or cut off does not, and is named when the deadline
 * has passed. Silence is counted in ticks of the rank that waits, so that a job that was suspended as a whole goes on.
 */
#include <mpi.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

enum { INTERFACE = 2, NOBODY = -1, EVERYBODY = -2, TICKS = 20, HOST = 256 };
static const size_t PIECE = (size_t)1 << 30; /* counts of MPI are int */
static const char PING = '?', PONG = '!', FAILED = '#';

static MPI_Comm data_comm, ping_comm, end_comm;
static int rank, size, awaited = NOBODY, quit;
static volatile int interrupted;
static int* silence;        /* ticks since each rank was last heard of, while it is awaited */
static int someone_failed;  /* 1 + the first rank that has said so, or 0 */
static int parted;          /* whether all ranks have said their last words */
static char (*hosts)[HOST]; /* names of the ranks' hosts */
static double deadline;     /* seconds */
static pthread_t watcher;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* one thread at a time calls MPI (MPI_THREAD_SERIALIZED) */
static char failure[1024];                               /* after a rank was silent every call fails alike */

static int fail(char* error, size_t capacity) {
  snprintf(error, capacity, "%s", failure);
  return 1;
}

static int mpi_failed(int code, const char* what, char* error, size_t capacity) {
  char reason[MPI_MAX_ERROR_STRING] = "";
  int length;
  MPI_Error_string(code, reason, &length);
  snprintf(failure, sizeof failure, "MPI failed to %s: %s", what, reason);
  return fail(error, capacity);
}

static void pause_for(double seconds) {
  const struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  nanosleep(&time, NULL);
}

static int is_awaited(int other) { return other != rank && (awaited == EVERYBODY || awaited == other); }

static void send_sign(const char* sign, int to) {
  MPI_Request request;
  if (MPI_Isend(sign, 1, MPI_CHAR, to, 0, ping_comm, &request) == MPI_SUCCESS) MPI_Request_free(&request);
}

/* Receives what other ranks have sent of themselves, and answers their pings. */
static void answer_pings(void) {
  for (;;) {
    int there = 0;
    char sign;
    MPI_Status status;
    if (MPI_Iprobe(MPI_ANY_SOURCE, 0, ping_comm, &there, &status) != MPI_SUCCESS || !there) return;
    MPI_Recv(&sign, 1, MPI_CHAR, status.MPI_SOURCE, 0, ping_comm, MPI_STATUS_IGNORE);
    silence[status.MPI_SOURCE] = 0;
    if (sign == PING) send_sign(&PONG, status.MPI_SOURCE);
    if (sign == FAILED && !someone_failed) someone_failed = 1 + status.MPI_SOURCE;
  }
}

static void* watch(void* unused) {
  for (;;) {
    pthread_mutex_lock(&lock);
    if (quit) break;
    answer_pings();
    for (int other = 0; other < size; other++)
      if (is_awaited(other) && ++silence[other] > TICKS / 4) send_sign(&PING, other);
    pthread_mutex_unlock(&lock);
    pause_for(deadline / TICKS);
  }
  pthread_mutex_unlock(&lock);
  return unused;
}

/* Whether an awaited rank has been silent for too long; then `failure` names the first few. */
static int someone_is_silent(void) {
  int found = 0;
  size_t at = 0;
  for (int other = 0; other < size; other++) {
    if (!is_awaited(other) || silence[other] <= TICKS || ++found > 4) continue;
    at += (size_t)snprintf(failure + at, sizeof failure - at, "%srank %d (%.*s)", found == 1 ? "Expected " : ", ",
                           other, 100, hosts[other]);
  }
  if (found > 4) at += (size_t)snprintf(failure + at, sizeof failure - at, " and %d more", found - 4);
  if (found > 0)
    snprintf(failure + at, sizeof failure - at,
             " to answer within %g s but received nothing: it has died, was stopped, or its host cannot be reached",
             deadline);
  return found > 0;
}

/* Why waiting is pointless, in `error`, or 0. What was said to fail ends the waits for numbers, not that for last
 * words, nor the common end of ranks that have heard all of these. */
static int pointless(int last_words, char* error, size_t capacity) {
  if (someone_is_silent()) return fail(error, capacity);
  if (interrupted) return snprintf(error, capacity, "The wait for other ranks was interrupted");
  if (!someone_failed || last_words || parted) return 0;
  return snprintf(error, capacity, "Another rank has failed: rank %d (%s)", someone_failed - 1,
                  hosts[someone_failed - 1]);
}

/* Waits for the requests, which `peer` or everybody has to do with. `code` is what starting them has answered. */
static int finish(int code, int count, MPI_Request* requests, int peer, const char* what, char* error,
                  size_t capacity) {
  int done = 0, given_up = 0;
  const double since = MPI_Wtime();
  pthread_mutex_lock(&lock);
  memset(silence, 0, (size_t)size * sizeof *silence);
  awaited = peer;
  pthread_mutex_unlock(&lock);
  while (code == MPI_SUCCESS && !done && !given_up) {
    pthread_mutex_lock(&lock);
    code = MPI_Testall(count, requests, &done, MPI_STATUSES_IGNORE);
    if (code == MPI_SUCCESS && !done) given_up = pointless(what == NULL, error, capacity);
    pthread_mutex_unlock(&lock);
    /* Answers come soon or late: the processor is another thread's in between, and idle after a while. */
    if (!done) MPI_Wtime() - since < 0.02 ? (void)sched_yield() : pause_for(1e-4);
  }
  pthread_mutex_lock(&lock);
  awaited = NOBODY;
  pthread_mutex_unlock(&lock);
  if (code != MPI_SUCCESS) return mpi_failed(code, what == NULL ? "end" : what, error, capacity);
  return given_up != 0;
}

/* Runs `start` under the lock and waits for its `count` requests. */
#define PERFORM(count, start, peer, what)                                     \
  do {                                                                        \
    MPI_Request requests[count];                                              \
    if (failure[0]) return fail(error, capacity);                             \
    pthread_mutex_lock(&lock);                                                \
    int code = (start);                                                       \
    pthread_mutex_unlock(&lock);                                              \
    if (finish(code, count, requests, peer, what, error, capacity)) return 1; \
  } while (0)

EXPORT int onespike_mpi_interface(void) { return INTERFACE; }

/* What this file was compiled for: name and version of the implementation. */
EXPORT const char* onespike_mpi_implementation(void) {
#if defined(OMPI_MAJOR_VERSION)
  return "openmpi-" TEXT(OMPI_MAJOR_VERSION) "." TEXT(OMPI_MINOR_VERSION) "." TEXT(OMPI_RELEASE_VERSION);
#elif defined(I_MPI_VERSION)
  return "intelmpi-" I_MPI_VERSION;
#elif defined(MVAPICH2_VERSION)
  return "mvapich2-" MVAPICH2_VERSION;
#elif defined(MPICH_VERSION)
  return "mpich-" MPICH_VERSION;
#else
  return "mpi-" TEXT(MPI_VERSION) "." TEXT(MPI_SUBVERSION);
#endif
}

EXPORT int onespike_mpi_rank(void) { return rank; }
EXPORT int onespike_mpi_size(void) { return size; }
EXPORT const char* onespike_mpi_host(int of) { return hosts[of]; }

EXPORT int onespike_mpi_barrier(char* error, size_t capacity) {
  PERFORM(1, MPI_Ibarrier(data_comm, requests), EVERYBODY, "wait for all ranks");
  return 0;
}

/* Whether it is pointless to wait for numbers of `peer` that come on another way than MPI's. Called over and over while
 * they are awaited, and with NOBODY when they have come. */
EXPORT int onespike_mpi_await(int peer, char* error, size_t capacity) {
  if (failure[0]) return fail(error, capacity);
  pthread_mutex_lock(&lock);
  if (awaited != peer) memset(silence, 0, (size_t)size * sizeof *silence);
  awaited = peer;
  const int given_up = pointless(0, error, capacity);
  pthread_mutex_unlock(&lock);
  return given_up != 0;
}

EXPORT int onespike_mpi_broadcast(void* bytes, size_t count, int root, char* error, size_t capacity) {
  for (size_t at = 0, piece; at < count; at += piece) {
    piece = count - at < PIECE ? count - at : PIECE;
    PERFORM(1, MPI_Ibcast((char*)bytes + at, (int)piece, MPI_BYTE, root, data_comm, requests), EVERYBODY, "broadcast");
  }
  return 0;
}

static int start_exchange(int peer, const char* send, char* receive, int count, MPI_Request* requests) {
  const int code = MPI_Irecv(receive, count, MPI_BYTE, peer, 0, data_comm, &requests[0]);
  return code != MPI_SUCCESS ? code : MPI_Isend(send, count, MPI_BYTE, peer, 0, data_comm, &requests[1]);
}

EXPORT int onespike_mpi_exchange(int peer, const void* send, void* receive, size_t count, char* error,
                                 size_t capacity) {
  for (size_t at = 0, piece; at < count; at += piece) {
    piece = count - at < PIECE ? count - at : PIECE;
    PERFORM(2, start_exchange(peer, (const char*)send + at, (char*)receive + at, (int)piece, requests), peer,
            "exchange numbers with another rank");
  }
  return 0;
}

/* `count` bytes, at most 2^30, of every rank in the order of the ranks. */
EXPORT int onespike_mpi_gather(const void* send, void* all, size_t count, char* error, size_t capacity) {
  PERFORM(1, MPI_Iallgather(send, (int)count, MPI_BYTE, all, (int)count, MPI_BYTE, data_comm, requests), EVERYBODY,
          "gather");
  return 0;
}

/* Tells all ranks that this one has failed, so that none waits for its numbers, and collects `count` bytes of last
 * words of every rank, which each says when it has failed itself or was told. */
EXPORT int onespike_mpi_last_words(const void* words, void* all, size_t count, char* error, size_t capacity) {
  pthread_mutex_lock(&lock);
  for (int other = 0; other < size; other++)
    if (other != rank) send_sign(&FAILED, other);
  pthread_mutex_unlock(&lock);
  PERFORM(1, MPI_Iallgather(words, (int)count, MPI_BYTE, all, (int)count, MPI_BYTE, end_comm, requests), EVERYBODY,
          NULL);
  parted = 1;
  return 0;
}

EXPORT int onespike_mpi_init(double seconds, char* error, size_t capacity) {
  int there = 0, level = 0, length, code;
  MPI_Initialized(&there);
  if (there) {
    snprintf(error, capacity, "Expected a process that has not started MPI but received one that has");
    return 1;
  }
  if ((code = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &level)) != MPI_SUCCESS)
    return mpi_failed(code, "start", error, capacity);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  if (level < MPI_THREAD_SERIALIZED) {
    snprintf(error, capacity, "Expected an MPI for several threads (MPI_THREAD_SERIALIZED) but received level %d",
             level);
    return 1;
  }
  if ((code = MPI_Comm_dup(MPI_COMM_WORLD, &data_comm)) != MPI_SUCCESS ||
      (code = MPI_Comm_dup(MPI_COMM_WORLD, &ping_comm)) != MPI_SUCCESS ||
      (code = MPI_Comm_dup(MPI_COMM_WORLD, &end_comm)) != MPI_SUCCESS)
    return mpi_failed(code, "start", error, capacity);
  MPI_Comm_rank(data_comm, &rank);
  MPI_Comm_size(data_comm, &size);
  deadline = seconds;
  silence = calloc((size_t)size, sizeof *silence);
  hosts = calloc((size_t)size, sizeof *hosts);
  char name[MPI_MAX_PROCESSOR_NAME + HOST] = "";
  MPI_Get_processor_name(name, &length);
  name[HOST - 1] = 0;
  if (silence == NULL || hosts == NULL || pthread_create(&watcher, NULL, watch, NULL) != 0) {
    snprintf(error, capacity, "Expected memory and a thread for the ranks but received none");
    return 1;
  }
  return onespike_mpi_gather(name, hosts, HOST, error, capacity);
}

/* A process that ends without an end of MPI unloads it: nobody may call it then. Who holds the lock for ever has ended
 * it. */
__attribute__((destructor)) static void stop_watching(void) {
  if (pthread_mutex_trylock(&lock) != 0) pause_for(0.1);
  quit = 1;
  pthread_mutex_unlock(&lock);
}

/* Waits of this process, those of other threads too, fail from now on. */
EXPORT void onespike_mpi_interrupt(void) { interrupted = 1; }

/* Ends the processes of all ranks, if MPI can reach them. Does not return; keeps the lock. */
EXPORT void onespike_mpi_abort(int status) {
  pthread_mutex_lock(&lock);
  MPI_Abort(MPI_COMM_WORLD, status);
}

/* Ends MPI when all ranks have come this far. By the thread that has called onespike_mpi_init. */
EXPORT int onespike_mpi_finalize(char* error, size_t capacity) {
  if (onespike_mpi_barrier(error, capacity)) return 1;
  pthread_mutex_lock(&lock);
  quit = 1;
  pthread_mutex_unlock(&lock);
  pthread_join(watcher, NULL);
  answer_pings();
  const int code = MPI_Finalize();
  return code == MPI_SUCCESS ? 0 : mpi_failed(code, "end", error, capacity);
}
