/* A slow, loaded machine for `make stall`: loaded into Python, it stops the thread for 1 to 16 ms at one look at the
 * monotonic clock in 25. Slices then end and deadlines pass where they never do on a machine of one's own, and what
 * has been passed over for 10 ms comes first: a test that takes a pause for "all else has run" fails.
 * The programs that tests start are left alone: some measure frames. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define ONE_IN 25
#define LONGEST_MS 16

static int (*look)(clockid_t, struct timespec *);

__attribute__((constructor)) static void find(void) {
    look = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    unsetenv("LD_PRELOAD");
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static __thread uint64_t random;
    if (!look) /* another library's constructor came first */
        find();
    if (clock != CLOCK_MONOTONIC)
        return look(clock, now);
    if (!random) {
        look(CLOCK_REALTIME, now);
        random = (uint64_t)now->tv_nsec << 20 | 1;
    }
    random ^= random << 13; /* xorshift64 */
    random ^= random >> 7;
    random ^= random << 17;
    if ((random >> 11) % ONE_IN == 0) {
        struct timespec pause = {0, (long)(1 + (random >> 33) % LONGEST_MS) * 1000000};
        nanosleep(&pause, NULL);
    }
    return look(clock, now);
}
