/* Where nothing but POSIX is known: GLib polls each descriptor that is waited for.
 *
 * Built and tested on Linux with GLEENLET_PLAIN=1, and slower there; no other system was tried. What it does not do: keep a
 * forked child from taking its parent's wake-ups, and say that a hub is made too deep in the stack. gleenlet.asyncio and
 * gleenlet.gevent bring an epoll of their own.
 */
#include "platform.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>

const char platform_name[] = "plain";

typedef struct {
    PollFD fd;
    dev_t device;                           /* the file that the number meant */
    ino_t inode;
    uint8_t events, polled, nested;
} Poll;

struct Polls {
    Poll **polls;                           /* by descriptor */
    int n;
};

/* The stack begins here, as far as is known, and what lies above is reserve on top of the reserve. */
int find_stack(char **top, size_t *size) {
    struct rlimit limit;
    pthread_attr_t attributes;
    *size = PyThread_get_stacksize();
    if (!*size && !pthread_attr_init(&attributes)) {
        pthread_attr_getstacksize(&attributes, size);
        pthread_attr_destroy(&attributes);
    }
    if (!getrlimit(RLIMIT_STACK, &limit) && limit.rlim_cur < *size) /* the main thread's */
        *size = limit.rlim_cur;
    *top = __builtin_frame_address(0);
    return *size ? 0 : ENOTSUP;
}

void renew_wakeup(int Py_UNUSED(fd)) {}

static Poll *poll_of(Hub *hub, int fd) { return hub->polls && fd < hub->polls->n ? hub->polls->polls[fd] : NULL; }

static int same_file(Poll *poll) {
    struct stat file;
    return !fstat(poll->fd.fd, &file) && file.st_dev == poll->device && file.st_ino == poll->inode;
}

static int new_poll(Hub *hub, int fd) { /* 0 or errno */
    if (!hub->polls && !(hub->polls = PyMem_Calloc(1, sizeof *hub->polls)))
        return ENOMEM;
    struct Polls *all = hub->polls;
    if (fd >= all->n) {
        int n = fd < 32 ? 64 : 2 * fd;
        Poll **polls = PyMem_Realloc(all->polls, n * sizeof *polls);
        if (!polls)
            return ENOMEM;
        memset(polls + all->n, 0, (n - all->n) * sizeof *polls);
        all->polls = polls;
        all->n = n;
    }
    if (!all->polls[fd] && !(all->polls[fd] = PyMem_Calloc(1, sizeof(Poll))))
        return ENOMEM;
    return 0;
}

int arm(Hub *hub, int fd, unsigned events, enum Arm how) {
    struct stat file;
    Poll *poll = poll_of(hub, fd);
    int error = 0, nested = how == NESTED || how == NESTED_AGAIN;
    if (how == AGAIN || how == NESTED_AGAIN) {
        if (!poll || !same_file(poll))
            return ENOENT;
    } else {
        if (fstat(fd, &file))
            return errno;
        if (S_ISREG(file.st_mode) || S_ISDIR(file.st_mode))
            return EPERM;
        if ((error = new_poll(hub, fd)))
            return error;
        poll = hub->polls->polls[fd];
        poll->device = file.st_dev;
        poll->inode = file.st_ino;
    }
    poll->nested = nested;
    poll->fd.fd = fd;
    poll->fd.events = poll->events = nested ? READABLE : events;
    if (!poll->polled && poll_in_lanes(hub, &poll->fd))
        return ENOMEM;
    poll->polled = 1;
    return 0;
}

void disarm(Hub *hub, int fd) {
    Poll *poll = poll_of(hub, fd);
    if (poll && poll->polled) {
        poll_no_more(hub, &poll->fd);
        poll->polled = 0;
    }
}

void hear(Hub *hub, int on) {
    for (int fd = 0; hub->polls && fd < hub->polls->n; fd++)
        if (hub->polls->polls[fd])
            hub->polls->polls[fd]->fd.events = on ? hub->polls->polls[fd]->events : 0;
}

int next_reports(Hub *hub, Report reports[REPORTS]) {
    int n = 0;
    for (int fd = 0; fd < hub->polls->n && n < REPORTS; fd++) {
        Poll *poll = hub->polls->polls[fd];
        unsigned ready = poll && poll->polled ? poll->fd.revents : 0;
        if (!ready)
            continue;
        poll->fd.revents = 0;
        int open = same_file(poll);
        reports[n++] = (Report){fd, !open ? 0 : ready & ~(READABLE | WRITABLE) ? READABLE | WRITABLE : ready};
        if (!poll->nested || !open)
            disarm(hub, fd);
    }
    return n;
}

void forget_descriptors(Hub *hub) {
    for (int fd = 0; hub->polls && fd < hub->polls->n; fd++) {
        disarm(hub, fd);
        PyMem_Free(hub->polls->polls[fd]);
    }
    if (hub->polls)
        PyMem_Free(hub->polls->polls);
    PyMem_Free(hub->polls);
    hub->polls = NULL;
}
