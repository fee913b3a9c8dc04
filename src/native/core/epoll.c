/* Descriptors of one hub: one epoll, armed once a wait.
 *
 * GLib polls each of its descriptors at every iteration; ten thousand idle ones would cost every busy one. So they
 * are in an epoll of our own, and GLib polls that. EPOLLONESHOT keeps a descriptor silent when nobody waits, and
 * arming it again at each wait tells whether the number still means the same open file (epoll(7), "Questions and
 * answers", 6).
 */
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH 256                           /* descriptors looked at in one dispatch; the others come next */

/* Who waits for one descriptor. A Waiter is in a list as long as its wait_fd() runs and it is not woken (I6). */
struct Watch {
    Waiter *readers, *writers;
    PyObject *nested;                       /* called whenever something new is ready in this epoll */
};

static unsigned mask(const Watch *watch) {
    return (watch->readers ? EPOLLIN : 0) | (watch->writers ? EPOLLOUT : 0);
}

static int control(Hub *hub, int operation, int fd, unsigned events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    return epoll_ctl(hub->poll_fd, operation, fd, &event);
}

static int open_poll(Hub *hub) {
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    watch_fd(hub, fd);
    return 0;
}

void close_poll(Hub *hub) {
    Watch *watches = hub->watches;
    int n = hub->n_watches;
    if (hub->poll_fd >= 0) {
        close(hub->poll_fd);
        watch_fd(hub, -1);
    }
    hub->watches = NULL;
    hub->n_watches = 0;
    for (int fd = 0; fd < n; fd++)
        Py_XDECREF(watches[fd].nested);
    PyMem_Free(watches);
}

int visit_watches(Hub *hub, visitproc visit, void *arg) {
    for (int fd = 0; fd < hub->n_watches; fd++)
        Py_VISIT(hub->watches[fd].nested);
    return 0;
}

static int not_open(int fd) {
    PyErr_Format(PyExc_ValueError, "descriptor %d is not open", fd);
    return -1;
}

static int fd_of(PyObject *file) {
    PyObject *number = PyLong_Check(file) ? Py_NewRef(file) : PyObject_CallMethod(file, "fileno", NULL);
    int overflow = 0;
    long fd = number ? PyLong_AsLongAndOverflow(number, &overflow) : -1;
    Py_XDECREF(number);
    if (PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
            PyErr_Clear();
            PyErr_Format(PyExc_TypeError, "a descriptor or an object with fileno() is needed, not %.100s",
                         Py_TYPE(file)->tp_name);
        }
        return -1;
    }
    return fd < 0 || fd > INT_MAX || overflow ? not_open(fd < 0 && fd > INT_MIN ? (int)fd : -1) : (int)fd;
}

static Watch *watch_of(Hub *hub, int fd) {
    if (fd >= hub->n_watches) {
        if (fcntl(fd, F_GETFD) < 0)
            return not_open(fd), NULL;
        int size = fd < 32 ? 64 : 2 * fd;
        Watch *watches = PyMem_Realloc(hub->watches, size * sizeof *watches);
        if (!watches)
            return (Watch *)PyErr_NoMemory();
        memset(watches + hub->n_watches, 0, (size - hub->n_watches) * sizeof *watches);
        hub->watches = watches;
        hub->n_watches = size;
    }
    return &hub->watches[fd];
}

/* An outcome for all in one of a descriptor's lists; it is looked up anew each time, for a guest's notify() may wait
 * for other descriptors. `stays` is passed over. */
static int wake_all(Hub *hub, int fd, int writers, PyObject *value, enum Outcome outcome, Waiter *stays) {
    for (;;) {
        Watch *watch = &hub->watches[fd];
        Waiter **link = writers ? &watch->writers : &watch->readers;
        if (*link == stays && stays)
            link = &stays->beside;
        Waiter *waiter = *link;
        if (!waiter)
            return 0;
        *link = waiter->beside;
        waiter->beside = NULL;
        Py_INCREF(waiter);
        int failed = wake(waiter, value, outcome) < 0;
        Py_DECREF(waiter);
        if (failed)
            return -1;
    }
}

static int tell_others(Hub *hub, int fd, Waiter *waiter) { /* but this one, the newest */
    Watch *watch = &hub->watches[fd];
    if ((watch->readers == waiter && !watch->writers) || (watch->writers == waiter && !watch->readers))
        return 0;
    PyObject *text = PyUnicode_FromFormat("descriptor %d was closed while a task waited for it", fd);
    PyObject *error = PyObject_CallFunction(PyExc_OSError, "iN", EBADF, text);
    int failed = !error || wake_all(hub, fd, 0, error, THROWN, waiter) || wake_all(hub, fd, 1, error, THROWN, waiter);
    Py_XDECREF(error);
    return failed;
}

static int arm(Hub *hub, int fd, Waiter *waiter) {
    if (!control(hub, EPOLL_CTL_MOD, fd, mask(&hub->watches[fd]) | EPOLLONESHOT))
        return 0;
    /* epoll does not know the number: it is new, or means another file now, or none. */
    if (tell_others(hub, fd, waiter))
        return -1;
    if (!control(hub, EPOLL_CTL_ADD, fd, mask(&hub->watches[fd]) | EPOLLONESHOT))
        return 0;
    if (errno == EBADF)
        return not_open(fd);
    if (errno == EPERM)
        PyErr_Format(PyExc_ValueError,
                     "descriptor %d cannot be waited for: epoll takes no regular files, they are always ready; "
                     "use call(file.load_contents_async) or to_thread()",
                     fd);
    else
        PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}

/* wait_fd(file, EPOLLIN or EPOLLOUT, timeout) */
PyObject *core_wait_fd(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t n) {
    if (n != 3)
        return PyErr_Format(PyExc_TypeError, "wait_fd() takes a descriptor, a direction and a timeout");
    int fd = fd_of(args[0]), writes = PyLong_AsLong(args[1]) == EPOLLOUT;
    PyGreenlet *current = NULL;
    Waiter *waiter = fd < 0 ? NULL : timed_waiter(args[2], &current, args[0], writes ? verb_write : verb_read);
    Hub *hub = waiter ? waiter->hub : NULL;
    PyObject *result = NULL;
    if (waiter && (hub->poll_fd >= 0 || !open_poll(hub)) && watch_of(hub, fd)) {
        Waiter **link = writes ? &hub->watches[fd].writers : &hub->watches[fd].readers;
        while (*link)
            link = &(*link)->beside;
        *link = waiter;
        if (!arm(hub, fd, waiter))
            result = wait_for(waiter, current, NULL);
        /* After a fork, or if it was woken, it is in no list. */
        link = fd >= hub->n_watches ? NULL : writes ? &hub->watches[fd].writers : &hub->watches[fd].readers;
        while (link && *link && *link != waiter)
            link = &(*link)->beside;
        if (link && *link)
            *link = waiter->beside;
    }
    Py_XDECREF(waiter);
    Py_XDECREF(current);
    return result;
}

/* Wake the tasks whose descriptors are ready. */
void poll_ready(Hub *hub) {
    struct epoll_event events[BATCH];
    int n = epoll_wait(hub->poll_fd, events, BATCH, 0);
    for (int i = 0; i < n && events[i].data.fd < hub->n_watches; i++) {
        int fd = events[i].data.fd, failed = 0;
        unsigned ready = events[i].events;
        if (ready & (EPOLLERR | EPOLLHUP))
            ready |= EPOLLIN | EPOLLOUT;
        if (hub->watches[fd].nested) {
            notify(hub, hub->watches[fd].nested);
            continue;
        }
        if (ready & EPOLLIN)
            failed |= wake_all(hub, fd, 0, Py_None, WOKEN, NULL);
        if (ready & EPOLLOUT)
            failed |= wake_all(hub, fd, 1, Py_None, WOKEN, NULL);
        if (failed)
            report(hub, (PyObject *)hub);
        if (mask(&hub->watches[fd]))
            control(hub, EPOLL_CTL_MOD, fd, mask(&hub->watches[fd]) | EPOLLONESHOT);
    }
}

/* _nest(fd, func): have func() called whenever something new becomes ready in another epoll */
PyObject *hub_nest(Hub *hub, PyObject *const *args, Py_ssize_t n) {
    int fd = n == 2 && here(hub) ? fd_of(args[0]) : -1;
    if (n != 2)
        return PyErr_Format(PyExc_TypeError, "_nest() takes a descriptor and a function");
    if (fd < 0 || (hub->poll_fd < 0 && open_poll(hub)) || !watch_of(hub, fd))
        return NULL;
    if (control(hub, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET))
        return PyErr_SetFromErrno(PyExc_OSError);
    Py_XSETREF(hub->watches[fd].nested, Py_NewRef(args[1]));
    Py_RETURN_NONE;
}

PyObject *hub_unnest(Hub *hub, PyObject *file) {
    int fd = fd_of(file);
    if (fd < 0)
        return NULL;
    if (fd < hub->n_watches && hub->watches[fd].nested) { /* none are left once the hub has ended */
        Py_CLEAR(hub->watches[fd].nested);
        control(hub, EPOLL_CTL_DEL, fd, 0); /* no matter if it is closed already */
    }
    Py_RETURN_NONE;
}
