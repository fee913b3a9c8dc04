/* Hub.switch: a greenlet waits for gevent. Who may, and who drives GLib meanwhile. */
#include "guest.h"

#if PY_VERSION_HEX < 0x030D0000
#define PyObject_GetOptionalAttr _PyObject_LookupAttr
#endif

#define LONG_TURN_NS 50000LL       /* greenlets that run longer than this: the clock is asked after each */

/* A dispatcher that lies deeper than the hub's base would be moved by the switch: harmless if only GLib's dispatch is on
 * its stack, deadly with an emission there. `count` is gilstate_counter without our own dispatch. */
int may_enter(char *frame, int count) {
    if (turn.state == UNBORN)
        return 1;
    if (turn.state == RUNNING) /* a greenlet of gevent's has begun to run a GLib loop */
        return count == stack.level + 1;
    return frame > stack.base || count <= 1 - stack.offset || (stack.home && count == stack.nested_count);
}

/* The current greenlet waits for gevent and no GLib loop runs: iterate GLib's context until somebody switches here.
 * Where another thread runs GLib's loop, or in a forked child, libev waits by itself. */
static PyObject *drive(void) {
    PyObject *result = enter();
    while (result && result == stack.token) {
        Driver driver = {.outer = stack.driver, .greenlet = PyGreenlet_GetCurrent(), .depth = glib_depth()};
        stack.driver = &driver;
        int iterated = !stack.plain && iterate_glib();
        stack.driver = driver.outer;
        Py_DECREF(driver.greenlet);
        if (!iterated) {
            Py_DECREF(result);
            stack.alone++;
            result = enter();
            stack.alone--;
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
    if (PyObject_GetOptionalAttr((PyObject *)current, str_switch_out, &method) < 0)
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

int descends(PyGreenlet *greenlet, PyGreenlet *from) { /* steals `greenlet` */
    while (greenlet && greenlet != from) {
        PyGreenlet *parent = PyGreenlet_GET_PARENT(greenlet);
        Py_DECREF(greenlet);
        greenlet = parent;
    }
    Py_XDECREF(greenlet);
    return greenlet != NULL;
}

static PyObject *switch_slowly(PyObject *self, PyGreenlet *current) {
    PyThreadState *thread = PyThreadState_Get();
    if ((PyObject *)gevent.hub != self && gevent.loop && thread == stack.thread && !stack.plain)
        find_hub();
    if ((PyObject *)gevent.hub != self || (PyObject *)current == self || stack.plain || !gevent.loop)
        return switch_out(current, self);
    if (stack.home && descends((PyGreenlet *)Py_NewRef(current), gevent.hub)) {
        if (thread->gilstate_counter != (turn.state == RUNNING ? stack.level + 1 : stack.nested_count))
            return ask("refuse_wait");
        if (turn.state != RUNNING) /* it has run a GLib loop of its own, which the hub has left */
            stack.level = thread->gilstate_counter + stack.offset;
        turn.state = RUNNING;
        turn.yielded = 0;
        return switch_out(current, self);
    }
    if (glib_depth() > 0 && (stack.core->home.greenlet || !descends((PyGreenlet *)Py_NewRef(current), gevent.hub)))
        return ask("wait_in_core"); /* something that the core runs */
    if (glib_depth() > 0 || turn.state == RUNNING || /* resumed by hand from a callback */
        !may_enter(__builtin_frame_address(0), thread->gilstate_counter))
        return ask("refuse_wait");
    return drive();
}

/* The current greenlet waits. gevent itself looks at the clock once in 50 callbacks; so here, too, is it seen that the slice
 * is over, and then the hub stays where it is, in the callback that resumed this greenlet. */
PyObject *switch_hub(PyObject *self, int skip_dispatch) {
    PyGreenlet *current;
    PyObject *result;
    if (gevent.trial) {
        gevent.trial = skip_dispatch ? 2 : 3;
        Py_RETURN_NONE;
    }
    if (!skip_dispatch && self != (PyObject *)gevent.hub)
        return gevent.cython_switch(self, 0);
    current = PyGreenlet_GetCurrent();
    if (turn.state != RUNNING || self != (PyObject *)gevent.hub || stack.plain ||
        PyThreadState_Get()->gilstate_counter != stack.level + 1)
        result = switch_slowly(self, current);
    else if (turn.unasked-- > 0)
        result = switch_out(current, self);
    else {
        int64_t now = clock_ns();
        turn.unasked = now - turn.asked > LONG_TURN_NS ? 0 : 8;
        turn.asked = now;
        if (now < turn.slice_end || stack.alone)
            result = switch_out(current, self);
        else
            result = note_switch(current) ? NULL : go_home(AWAY, 1, now);
    }
    Py_DECREF(current);
    return result;
}
