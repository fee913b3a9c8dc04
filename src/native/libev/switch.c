/* Hub.switch: a greenlet waits for gevent. Who may, and who drives GLib meanwhile. */
#include "guest.h"

#if PY_VERSION_HEX < 0x030D0000
#define PyObject_GetOptionalAttr _PyObject_LookupAttr
#endif

#define LONG_TURN_NS 50000LL       /* greenlets that run longer than this: the clock is asked after each */

/* The current greenlet waits for gevent and no GLib loop runs: iterate GLib's context until somebody switches here.
 * Where another thread runs GLib's loop, or in a forked child, libev waits by itself. */
static PyObject *drive(Guest *guest) {
    PyObject *result = enter(guest);
    while (result && result == gevent.token) {
        Driver driver = {.outer = guest->driver, .greenlet = PyGreenlet_GetCurrent(), .depth = glib_depth()};
        guest->driver = &driver;
        int iterated = !guest->plain && iterate_glib();
        guest->driver = driver.outer;
        Py_DECREF(driver.greenlet);
        if (!iterated) {
            Py_DECREF(result);
            guest->alone++;
            result = enter(guest);
            guest->alone--;
        } else if (driver.done) {
            Py_DECREF(result);
            result = driver.value;
            if (!result)
                raise_exception(driver.error);
        }
    }
    return result;
}

static int note_switch(PyGreenlet *current) { /* as SwitchOutGreenletWithLoop.switch does */
    PyObject *method, *done = NULL;
    if (PyObject_GetOptionalAttr((PyObject *)current, gevent.switch_out, &method) < 0)
        return -1;
    if (!method)
        return 0;
    done = PyObject_CallNoArgs(method);
    Py_DECREF(method);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

static PyObject *switch_out(PyGreenlet *current, PyObject *hub) {
    return note_switch(current) ? NULL : PyGreenlet_Switch((PyGreenlet *)hub, NULL, NULL);
}

static PyObject *switch_slowly(Guest *guest, PyObject *self, PyGreenlet *current) {
    PyThreadState *thread = PyThreadState_Get();
    if ((PyObject *)guest->hub != self && guest->loop && thread == guest->thread && !guest->plain)
        find_hub(guest);
    if ((PyObject *)guest->hub != self || (PyObject *)current == self || guest->plain || !guest->loop)
        return switch_out(current, self);
    if (guest->home && descends((PyGreenlet *)Py_NewRef(current), guest->hub)) {
        if (thread->gilstate_counter != (guest->state == RUNNING ? guest->level + 1 : guest->nested_count))
            return ask("refuse_wait", NULL);
        if (guest->state != RUNNING) /* it has run a GLib loop of its own, which the hub has left */
            guest->level = thread->gilstate_counter + guest->offset;
        guest->state = RUNNING;
        guest->yielded = 0;
        return switch_out(current, self);
    }
    if (glib_depth() > 0 && (guest->core->home.greenlet || !descends((PyGreenlet *)Py_NewRef(current), guest->hub))) {
        guest->tasks++;
        PyObject *result = ask("wait_in_core", NULL); /* something that the core runs */
        guest->tasks--;
        return result;
    }
    if (glib_depth() > 0 || guest->state == RUNNING || /* resumed by hand from a callback */
        !may_enter(guest, __builtin_frame_address(0), thread->gilstate_counter))
        return ask("refuse_wait", NULL);
    return drive(guest);
}

/* The current greenlet waits. gevent itself looks at the clock once in 50 callbacks; so here, too, is it seen that the slice
 * is over, and then the hub stays where it is, in the callback that resumed this greenlet. */
PyObject *switch_hub(PyObject *self, int skip_dispatch) {
    Guest *guest = &gevent.guest;
    PyGreenlet *current;
    PyObject *result;
    if (gevent.trial) {
        gevent.trial = skip_dispatch ? 2 : 3;
        Py_RETURN_NONE;
    }
    if (!skip_dispatch && self != (PyObject *)guest->hub)
        return gevent.cython_switch(self, 0);
    current = PyGreenlet_GetCurrent();
    if (guest->state != RUNNING || self != (PyObject *)guest->hub || guest->plain ||
        PyThreadState_Get()->gilstate_counter != guest->level + 1)
        result = switch_slowly(guest, self, current);
    else if (guest->unasked-- > 0)
        result = switch_out(current, self);
    else {
        int64_t now = clock_ns();
        guest->unasked = now - guest->asked > LONG_TURN_NS ? 0 : 8;
        guest->asked = now;
        if (now < guest->slice_end || guest->alone)
            result = switch_out(current, self);
        else
            result = note_switch(current) ? NULL : go_home(guest, AWAY, 1, now);
    }
    Py_DECREF(current);
    return result;
}
