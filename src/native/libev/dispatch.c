/* What GLib calls: has the hub something to do, and the dispatch that is its turn. */
#include "source.h"

#define WORK_PRIORITY (-1)         /* libev has events: just above the application's own */
#define YIELD_PRIORITY 200         /* a slice ended with work left: below redraws (120), among the idle */
#define PASSED_OVER_NS 6000000LL   /* how long a yield may wait for busy sources above it */
#define PAUSE_NS 5000000LL         /* how often a paused hub looks whether it may go on */

static int usable(Guest *guest, int64_t now) {
    return !guest->probing && guest->loop && !guest->plain && now >= guest->paused_until &&
           PyGILState_GetThisThreadState() == guest->thread;
}

static int has_callbacks(Guest *guest) {
    return guest->callbacks && *(PyObject **)((char *)guest->callbacks + gevent.head) != Py_None;
}

/* The first of every iteration. Did anything but the hub run since it was suspended? Not so if the last thing at this
 * depth was our own dispatch. */
static int first_prepare(Source *source, int *timeout) {
    Guest *guest = source->guest;
    if (guest->state == PARKED && !guest->yielded && guest->fresh != glib_depth() + 1)
        guest->touched = 1;
    guest->fresh = 0;
    *timeout = -1;
    return 0;
}

static int wanted(Guest *guest, int64_t now, int *timeout) { /* has the hub something to do? */
    *timeout = -1;
    if (!usable(guest, now)) {
        if (now < guest->paused_until)
            *timeout = (int)((guest->paused_until - now) / 1000000) + 1;
        return 0;
    }
    if (guest->yielded) {
        *timeout = 0;
        return now - guest->suspended_at > PASSED_OVER_NS;
    }
    if (guest->state == UNBORN && !guest->hub)
        return has_callbacks(guest) || guest->touched;
    if (guest->state != PARKED || now >= guest->deadline || guest->touched || has_callbacks(guest))
        return 1;
    if (guest->deadline != INT64_MAX && (guest->deadline - now) / 1000000 < INT_MAX)
        *timeout = (int)((guest->deadline - now + 999999) / 1000000);
    return 0;
}

static int work_prepare(Source *source, int *timeout) {
    Guest *guest = source->guest;
    int64_t now = clock_ns();
    guest->epoll.events = usable(guest, now); /* what nobody here will read must not wake this loop again and again */
    return wanted(guest, now, timeout);
}

static int work_check(Source *source) {
    Guest *guest = source->guest;
    int timeout;
    return wanted(guest, clock_ns(), &timeout) ||
           (guest->epoll.events && guest->epoll.revents && guest->loop && !guest->yielded);
}

static int yield_check(Source *source) { return source->guest->yielded && usable(source->guest, clock_ns()); }

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

static void serve(Guest *guest) { /* be the hub's home until it is suspended */
    while (guest->hub) {
        PyObject *result = enter(guest);
        if (result == gevent.token) {
            Py_DECREF(result);
            guest->nested_count = PyThreadState_Get()->gilstate_counter - 1;
            return;
        }
        PyGreenlet *current = PyGreenlet_GetCurrent();
        Driver *driver = guest->driver && guest->driver->greenlet == current ? guest->driver : NULL;
        Py_DECREF(current);
        if (driver) {
            note_outcome(driver, result);
            return;
        }
        if (result)
            Py_DECREF(result);
        else
            tell("stray"); /* thrown at the greenlet that runs GLib's loop */
        if (guest->state == UNBORN)
            return;
    }
}

static int dispatch(Source *source, void *Py_UNUSED(callback), void *Py_UNUSED(data)) {
    Guest *guest = source->guest;
    PyGILState_STATE gil = PyGILState_Ensure();
    if (!guest->hub)
        find_hub(guest);
    if (guest->hub && !may_enter(guest, __builtin_frame_address(0), PyThreadState_Get()->gilstate_counter - 1)) {
        guest->paused_until = clock_ns() + PAUSE_NS;
        if (!guest->complained++)
            tell("paused");
    } else
        serve(guest);
    guest->fresh = glib_depth();
    PyGILState_Release(gil);
    return 1;
}

static const SourceFuncs work_funcs = {work_prepare, work_check, dispatch, NULL, NULL, NULL};
static const SourceFuncs yield_funcs = {.check = yield_check, .dispatch = dispatch}; /* work_prepare keeps poll() short */
static const SourceFuncs first_funcs = {.prepare = first_prepare};

void attach_sources(Guest *guest) {
    if (guest->work)
        return;
    add_source(&first_funcs, INT_MIN, guest);
    guest->work = add_source(&work_funcs, WORK_PRIORITY, guest);
    add_source(&yield_funcs, YIELD_PRIORITY, guest);
}
