/* Who waits for which descriptor of one hub; each is armed once a wait. */
#include "platform.h"

#include <errno.h>
#include <fcntl.h>

static unsigned mask(const Watch *watch) {
    return (watch->readers.first ? READABLE : 0) | (watch->writers.first ? WRITABLE : 0);
}

static int not_open(int fd) {
    PyErr_Format(PyExc_ValueError, "descriptor %d is not open", fd);
    return -1;
}

static int fd_of(PyObject *file) {
    PyObject *number = PyLong_Check(file) ? Py_NewRef(file) : PyObject_CallMethod(file, "fileno", NULL);
    int overflow = 0; /* fd is -1 then */
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
    if (fd >= 0 && fd <= INT_MAX)
        return (int)fd;
    PyErr_Format(PyExc_ValueError, PyLong_Check(file) ? "descriptor %R is not open" : "%R is closed: it has no descriptor", file);
    return -1;
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

/* Looked up anew each time: the table may grow while a guest is told, and is gone after the hub's end or a fork. */
static Line *line_of(Hub *hub, int fd, int writes) {
    return fd >= hub->n_watches ? NULL : writes ? &hub->watches[fd].writers : &hub->watches[fd].readers;
}

static int wake_all(Hub *hub, int fd, int writes, PyObject *value, enum Outcome outcome, Waiter *newest) { /* but him */
    Line *line;
    while ((line = line_of(hub, fd, writes)) && line->first && line->first != newest)
        if (wake_first(line, value, outcome) < 0)
            return -1;
    return 0;
}

static int tell_others(Hub *hub, int fd, Waiter *newest) {
    const Watch *watch = &hub->watches[fd];
    if ((watch->readers.first == newest || !watch->readers.first) && (watch->writers.first == newest || !watch->writers.first))
        return 0;
    PyObject *text = PyUnicode_FromFormat("descriptor %d was closed while a task waited for it", fd);
    PyObject *error = PyObject_CallFunction(PyExc_OSError, "iN", EBADF, text);
    int failed = !error || wake_all(hub, fd, 0, error, THROWN, newest) || wake_all(hub, fd, 1, error, THROWN, newest);
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

/* One who watches and one who waits would take each other's reports. Whoever has closed the file without a word is in
 * nobody's way. */
static int is_watched(Hub *hub, int fd) { /* -1: an error is set */
    int error = hub->watches[fd].nested ? arm(hub, fd, READABLE, NESTED_AGAIN) : ENOENT;
    if (error == ENOENT)
        Py_CLEAR(hub->watches[fd].nested);
    return error == ENOENT ? 0 : error ? refuse_fd(fd, error), -1 : 1;
}

static int is_waited_for(Hub *hub, int fd) { /* the same */
    unsigned events = mask(&hub->watches[fd]);
    int error = events ? arm(hub, fd, events, AGAIN) : ENOENT;
    if (error == ENOENT)
        return tell_others(hub, fd, NULL);
    return error ? refuse_fd(fd, error), -1 : 1;
}

static int arm_for(Hub *hub, int fd, Waiter *waiter) {
    int watched = is_watched(hub, fd);
    if (watched) {
        if (watched > 0)
            PyErr_Format(GleenletError, "descriptor %d is watched: Hub.unwatch() it, and then wait for it", fd);
        return -1;
    }
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
        stand_in(line_of(hub, fd, writes), waiter);
        if (!arm_for(hub, fd, waiter))
            result = wait_for(waiter, current, NULL);
        Line *line = line_of(hub, fd, writes);
        Waiter *there = line ? line->first : NULL; /* after a fork, or if it was woken, it is in no line */
        while (there && there != waiter)
            there = there->beside;
        if (there)
            leave_line(line, waiter);
    }
    Py_XDECREF(waiter);
    Py_XDECREF(current);
    return result;
}

static void notify(Hub *hub, PyObject *func) { /* call it; its exception is nobody's */
    Py_INCREF(func);
    report_failed(hub, PyObject_CallNoArgs(func), func);
    Py_DECREF(func);
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
    if (fd < 0)
        return NULL;
    if (!PyCallable_Check(args[1]))
        return PyErr_Format(PyExc_TypeError, "watch() needs a function, not %.100s", Py_TYPE(args[1])->tp_name);
    if (!watch_of(hub, fd))
        return NULL;
    int watched = is_watched(hub, fd), waited_for = watched ? 0 : is_waited_for(hub, fd);
    if (watched > 0 || waited_for > 0)
        PyErr_Format(GleenletError, watched ? "descriptor %d is watched already: unwatch() it first"
                                            : "a task waits for descriptor %d: nobody else can watch it meanwhile", fd);
    if (watched || waited_for)
        return NULL;
    int error = arm(hub, fd, READABLE, NESTED_AGAIN);
    if (error == ENOENT)
        error = arm(hub, fd, READABLE, NESTED);
    if (error)
        return refuse_fd(fd, error);
    hub->watches[fd].nested = Py_NewRef(args[1]);
    Py_RETURN_NONE;
}

PyObject *hub_unwatch(Hub *hub, PyObject *file) {
    int fd = here_or_ended(hub) ? fd_of(file) : -1;
    if (fd < 0)
        return NULL;
    if (fd < hub->n_watches && hub->watches[fd].nested) { /* none are left once the hub has ended */
        Py_CLEAR(hub->watches[fd].nested);
        disarm(hub, fd);
    }
    Py_RETURN_NONE;
}
