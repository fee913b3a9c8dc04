/* Who waits for which descriptor of one hub; each is armed once a wait. */
#include "platform.h"

#include <errno.h>
#include <fcntl.h>

/* Who waits for one descriptor. A Waiter is in a list as long as its wait_fd() runs and it is not woken (I6). */
struct Watch {
    Waiter *readers, *writers;
    PyObject *nested;                       /* called whenever something new is ready in it */
};

static unsigned mask(const Watch *watch) {
    return (watch->readers ? READABLE : 0) | (watch->writers ? WRITABLE : 0);
}

void close_poll(Hub *hub) {
    Watch *watches = hub->watches;
    int n = hub->n_watches;
    forget_descriptors(hub);
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

static PyObject *refuse_fd(int fd, int error) {
    if (error == EBADF)
        not_open(fd);
    else if (error == ENOMEM)
        PyErr_NoMemory();
    else if (error == EPERM)
        PyErr_Format(PyExc_ValueError,
                     "descriptor %d cannot be waited for: epoll takes no regular files, they are always ready; "
                     "use call(file.load_contents_async) or to_thread()",
                     fd);
    else {
        errno = error;
        PyErr_SetFromErrno(PyExc_OSError);
    }
    return NULL;
}

static int arm_for(Hub *hub, int fd, Waiter *waiter) {
    int error = arm(hub, fd, mask(&hub->watches[fd]), AGAIN);
    if (error == ENOENT) {
        if (tell_others(hub, fd, waiter))
            return -1;
        error = arm(hub, fd, mask(&hub->watches[fd]), ANEW);
    }
    return error ? refuse_fd(fd, error), -1 : 0;
}

/* wait_fd(file, to write?, timeout) */
PyObject *core_wait_fd(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t n) {
    if (n != 3)
        return PyErr_Format(PyExc_TypeError, "wait_fd() takes a descriptor, a direction and a timeout");
    int fd = fd_of(args[0]), writes = args[1] == Py_True;
    PyGreenlet *current = NULL;
    Waiter *waiter = fd < 0 ? NULL : timed_waiter(args[2], &current, args[0], writes ? verb_write : verb_read);
    Hub *hub = waiter ? waiter->hub : NULL;
    PyObject *result = NULL;
    if (waiter && watch_of(hub, fd)) {
        Waiter **link = writes ? &hub->watches[fd].writers : &hub->watches[fd].readers;
        while (*link)
            link = &(*link)->beside;
        *link = waiter;
        if (!arm_for(hub, fd, waiter))
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
    Report reports[REPORTS];
    int n = next_reports(hub, reports);
    for (int i = 0; i < n && reports[i].fd < hub->n_watches; i++) {
        int fd = reports[i].fd, failed = 0;
        unsigned ready = reports[i].events;
        if (hub->watches[fd].nested) {
            notify(hub, hub->watches[fd].nested);
            continue;
        }
        if (!ready)
            failed = tell_others(hub, fd, NULL);
        if (ready & READABLE)
            failed |= wake_all(hub, fd, 0, Py_None, WOKEN, NULL);
        if (ready & WRITABLE)
            failed |= wake_all(hub, fd, 1, Py_None, WOKEN, NULL);
        if (failed)
            report(hub, (PyObject *)hub);
        if (mask(&hub->watches[fd]))
            arm(hub, fd, mask(&hub->watches[fd]), AGAIN);
    }
}

/* watch(fd, func): have func() called whenever something new becomes ready in another epoll */
PyObject *hub_watch(Hub *hub, PyObject *const *args, Py_ssize_t n) {
    int fd = n == 2 && here(hub) ? fd_of(args[0]) : -1;
    if (n != 2)
        return PyErr_Format(PyExc_TypeError, "watch() takes a descriptor and a function");
    if (fd < 0 || !watch_of(hub, fd))
        return NULL;
    int error = arm(hub, fd, READABLE, NESTED);
    if (error)
        return refuse_fd(fd, error);
    Py_XSETREF(hub->watches[fd].nested, Py_NewRef(args[1]));
    Py_RETURN_NONE;
}

PyObject *hub_unwatch(Hub *hub, PyObject *file) {
    int fd = fd_of(file);
    if (fd < 0)
        return NULL;
    if (fd < hub->n_watches && hub->watches[fd].nested) { /* none are left once the hub has ended */
        Py_CLEAR(hub->watches[fd].nested);
        disarm(hub, fd);
    }
    Py_RETURN_NONE;
}
