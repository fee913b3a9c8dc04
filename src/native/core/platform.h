/* What is one system's own. Two files implement it, of which setup.py builds one: linux.c, with epoll, and plain.c, which
 * asks nothing but POSIX and GLib's own polls (GLEENLET_PLAIN=1). */
#ifndef GLEENLET_PLATFORM_H
#define GLEENLET_PLATFORM_H
#include "core.h"

extern const char platform_name[];

/* Where this thread's stack begins, at the top, and how long it is. 0, or errno: that cannot be found out. */
int find_stack(char **top, size_t *size);

/* In a forked child: if this is the descriptor that GLib wakes a context's poll with, let its number mean one of the
 * child's own (F16). */
void renew_wakeup(int fd);

/* ---- the descriptors of a hub: once armed, one is reported once ---- */

enum { READABLE = 1, WRITABLE = 4 };        /* as poll(2) and GLib have them */

enum Arm {
    AGAIN,                                  /* ENOENT: its number is new here, or means another file now */
    ANEW,
    NESTED_AGAIN, NESTED,                   /* what is an epoll itself: reported whenever something new is ready there */
};

#define REPORTS 256                         /* in one dispatch; the others come next */

typedef struct {
    int fd;
    unsigned events;                        /* READABLE, WRITABLE; 0: it was closed, where that is seen */
} Report;

int arm(Hub *hub, int fd, unsigned events, enum Arm how); /* 0 or errno; EPERM: always ready, as a regular file is */
void disarm(Hub *hub, int fd);
int next_reports(Hub *hub, Report reports[REPORTS]); /* how many there are; it does not wait */
void hear(Hub *hub, int on);                /* off: nobody can be served, and what is ready must not end GLib's poll */
void forget_descriptors(Hub *hub);

/* source.c, for those who implement this. A PollFD may only go when it is polled no more. */
int poll_in_lanes(Hub *hub, PollFD *poll);  /* -1: no memory */
void poll_no_more(Hub *hub, PollFD *poll);

#endif
