/* GLib's side: when the hub has its turn. No other file here calls GLib. */
#include "guest.h"

#include "../glib.h"

#define WORK_PRIORITY (-1)         /* libev has events: just above the application's own */
#define YIELD_PRIORITY 200         /* a slice ended with work left: below redraws (120), among the idle */
#define PASSED_OVER_NS 6000000LL   /* how long a yield may wait for busy sources above it */
#define PAUSE_NS 5000000LL         /* how often a paused hub looks whether it may go on */

struct Source {
    SOURCE_HEAD
};

static Source *work_source;
static PollFD epoll = {-1, 1, 0};

int load_glib(void) { return load_glib_functions(); }

int glib_depth(void) { return g.main_depth(); }

static int usable(int64_t now) {
    return !turn.probing && gevent.loop && !stack.plain && now >= turn.paused_until &&
           PyGILState_GetThisThreadState() == stack.thread;
}

static int has_callbacks(void) {
    return gevent.callbacks && *(PyObject **)((char *)gevent.callbacks + gevent.head) != Py_None;
}

/* The first of every iteration. Did anything but the hub run since it was suspended? Not so if the last thing at this
 * depth was our own dispatch. */
static int first_prepare(Source *Py_UNUSED(source), int *timeout) {
    if (turn.state == PARKED && !turn.yielded && turn.fresh != g.main_depth() + 1)
        turn.touched = 1;
    turn.fresh = 0;
    *timeout = -1;
    return 0;
}

static int never(Source *Py_UNUSED(source)) { return 0; }

static int wanted(int64_t now, int *timeout) { /* has the hub something to do? */
    *timeout = -1;
    if (!usable(now)) {
        if (now < turn.paused_until)
            *timeout = (int)((turn.paused_until - now) / 1000000) + 1;
        return 0;
    }
    if (turn.yielded) {
        *timeout = 0;
        return now - turn.suspended_at > PASSED_OVER_NS;
    }
    if (turn.state == UNBORN && !gevent.hub)
        return has_callbacks() || turn.touched;
    if (turn.state != PARKED || now >= turn.deadline || turn.touched || has_callbacks())
        return 1;
    if (turn.deadline != INT64_MAX && (turn.deadline - now) / 1000000 < INT_MAX)
        *timeout = (int)((turn.deadline - now + 999999) / 1000000);
    return 0;
}

static int work_prepare(Source *Py_UNUSED(source), int *timeout) {
    int64_t now = clock_ns();
    epoll.events = usable(now); /* what nobody here will read must not wake this loop again and again */
    return wanted(now, timeout);
}

static int work_check(Source *Py_UNUSED(source)) {
    int timeout;
    return wanted(clock_ns(), &timeout) || (epoll.events && epoll.revents && gevent.loop && !turn.yielded);
}

static int yield_check(Source *Py_UNUSED(source)) { return turn.yielded && usable(clock_ns()); }

static int yield_prepare(Source *source, int *timeout) {
    *timeout = -1;
    return yield_check(source);
}

static void note_outcome(Driver *driver, PyObject *value) { /* steals; keeps the first outcome unless an error follows */
    if (!value) {
        Py_CLEAR(driver->value);
        Py_XSETREF(driver->error, take_exception());
    } else if (driver->done)
        Py_DECREF(value);
    else
        driver->value = value;
    driver->done = 1;
}

static void serve(void) { /* be the hub's home until it is suspended */
    PyObject *result = NULL;
    while (gevent.hub && (result = enter()) != stack.token) {
        PyGreenlet *current = PyGreenlet_GetCurrent();
        Driver *driver = stack.driver && stack.driver->greenlet == current ? stack.driver : NULL;
        Py_DECREF(current);
        if (driver) {
            note_outcome(driver, result);
            return;
        } else if (result)
            Py_DECREF(result);
        else
            tell("stray"); /* thrown at the greenlet that runs GLib's loop */
        if (turn.state == UNBORN)
            return;
    }
    if (!gevent.hub)
        return;
    Py_XDECREF(result); /* the token */
    stack.nested_count = PyThreadState_Get()->gilstate_counter - 1;
}

static int dispatch(Source *Py_UNUSED(source), void *Py_UNUSED(callback), void *Py_UNUSED(data)) {
    PyGILState_STATE gil = PyGILState_Ensure();
    if (!gevent.hub)
        find_hub();
    if (gevent.hub && !may_enter(__builtin_frame_address(0), PyThreadState_Get()->gilstate_counter - 1)) {
        turn.paused_until = clock_ns() + PAUSE_NS;
        if (!turn.complained++)
            tell("paused");
    } else
        serve();
    turn.fresh = g.main_depth();
    PyGILState_Release(gil);
    return 1;
}

static const SourceFuncs work_funcs = {work_prepare, work_check, dispatch, NULL, NULL, NULL};
static const SourceFuncs yield_funcs = {yield_prepare, yield_check, dispatch, NULL, NULL, NULL};
static const SourceFuncs first_funcs = {first_prepare, never, NULL, NULL, NULL, NULL};

void poll_epoll(int fd) {
    if (fd == epoll.fd)
        return;
    if (epoll.fd >= 0)
        g.source_remove_poll(work_source, &epoll);
    epoll.fd = fd; /* the first one, or after a reinit() */
    if (fd >= 0)
        g.source_add_poll(work_source, &epoll);
}

static Source *add_source(const SourceFuncs *funcs, int priority) {
    Source *source = g.source_new(funcs, sizeof(Source));
    g.source_set_priority(source, priority);
    g.source_set_can_recurse(source, 1);
    g.source_set_name(source, "gleenlet.gevent");
    g.source_attach(source, g.main_context_default());
    return source;
}

void attach_sources(void) {
    if (work_source)
        return;
    add_source(&first_funcs, INT_MIN);
    work_source = add_source(&work_funcs, WORK_PRIORITY);
    add_source(&yield_funcs, YIELD_PRIORITY);
}

int iterate_glib(void) {
    if (!g.main_context_acquire(g.main_context_default()))
        return 0;
    Py_BEGIN_ALLOW_THREADS
    g.main_context_iteration(NULL, 1);
    Py_END_ALLOW_THREADS
    g.main_context_release(g.main_context_default());
    return 1;
}

/* May anything of GLib's still wake the hub? Yes if its loop runs; else if it polls a descriptor or has a timeout. */
PyObject *glib_alive(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    PollFD fds[16];
    int depth = g.main_depth(), priority, timeout = -1, ready, n;
    if (stack.plain)
        Py_RETURN_FALSE;
    if (depth > (stack.driver ? stack.driver->depth + 1 : 0))
        Py_RETURN_TRUE;
    void *context = g.main_context_default();
    if (!g.main_context_acquire(context))
        Py_RETURN_TRUE;
    turn.probing = 1;
    Py_BEGIN_ALLOW_THREADS
    ready = g.main_context_prepare(context, &priority);
    n = g.main_context_query(context, INT_MAX, &timeout, fds, 16);
    Py_END_ALLOW_THREADS
    turn.probing = 0;
    g.main_context_release(context);
    return PyBool_FromLong(ready || timeout >= 0 || n > 1 + (epoll.fd >= 0));
}
