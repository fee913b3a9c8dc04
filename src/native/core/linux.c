/* Linux: one epoll a hub, which GLib polls; glibc's and musl's threads; eventfds.
 *
 * GLib polls each of its descriptors at every iteration; ten thousand idle ones would cost every busy one. EPOLLONESHOT
 * keeps a descriptor silent when nobody waits, and arming it again at each wait tells whether the number still means the
 * same open file (epoll(7), "Questions and answers", 6).
 */
#include "platform.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

_Static_assert((int)READABLE == EPOLLIN && (int)WRITABLE == EPOLLOUT, "epoll's numbers are poll's");

const char platform_name[] = "linux";

struct Polls {
    PollFD epoll;
};

int find_stack(char **top, size_t *size) {
    pthread_attr_t attributes;
    void *bottom;
    int error = pthread_getattr_np(pthread_self(), &attributes); /* the main thread's is in a file under /proc */
    if (error)
        return error;
    pthread_attr_getstack(&attributes, &bottom, size);
    pthread_attr_destroy(&attributes);
    *top = (char *)bottom + *size;
    return 0;
}

void renew_wakeup(int fd) {
    char path[64], name[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(path, name, sizeof name);
    if (length < 20 || memcmp(name, "anon_inode:[eventfd]", 20))
        return;
    close(fd); /* first, as this may be the last one; the child has no other thread that could take the number */
    int fresh = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fresh >= 0 && fresh != fd) {
        dup3(fresh, fd, O_CLOEXEC);
        close(fresh);
    }
}

static int control(Hub *hub, int operation, int fd, unsigned events) { /* 0 or errno */
    struct epoll_event event = {.events = events, .data.fd = fd};
    return epoll_ctl(hub->polls->epoll.fd, operation, fd, &event) ? errno : 0;
}

static int open_epoll(Hub *hub) { /* 0 or errno */
    struct Polls *polls = PyMem_Malloc(sizeof *polls);
    int fd = polls ? epoll_create1(EPOLL_CLOEXEC) : -1, error = polls ? errno : ENOMEM;
    if (fd >= 0) {
        polls->epoll = (PollFD){fd, READABLE, 0};
        if (!poll_in_lanes(hub, &polls->epoll)) {
            hub->polls = polls;
            return 0;
        }
        close(fd);
        error = ENOMEM;
    }
    PyMem_Free(polls);
    return error;
}

int arm(Hub *hub, int fd, unsigned events, enum Arm how) {
    int error = hub->polls ? 0 : open_epoll(hub);
    if (error)
        return error;
    return control(hub, how == ANEW || how == NESTED ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd,
                   how == NESTED || how == NESTED_AGAIN ? EPOLLIN | EPOLLET : events | EPOLLONESHOT);
}

void disarm(Hub *hub, int fd) { control(hub, EPOLL_CTL_DEL, fd, 0); } /* no matter if it is closed already */

void hear(Hub *hub, int on) {
    if (hub->polls)
        hub->polls->epoll.events = on ? READABLE : 0; /* no change that GLib is told of: that would end its poll, too */
}

int next_reports(Hub *hub, Report reports[REPORTS]) {
    struct epoll_event events[REPORTS];
    hub->polls->epoll.revents = 0;
    int n = epoll_wait(hub->polls->epoll.fd, events, REPORTS, 0);
    for (int i = 0; i < n; i++) {
        unsigned ready = events[i].events;
        reports[i] = (Report){events[i].data.fd, ready & (EPOLLERR | EPOLLHUP) ? READABLE | WRITABLE : ready};
    }
    return n;
}

void forget_descriptors(Hub *hub) {
    if (!hub->polls)
        return;
    close(hub->polls->epoll.fd);
    poll_no_more(hub, &hub->polls->epoll);
    PyMem_Free(hub->polls);
    hub->polls = NULL;
}
