/* To the hub and back: where libev would wait, the hub is suspended. */
#include "guest.h"

#include "../core/stack.h"

#include <sys/epoll.h>

#define GUEST_SLICE_NS 1000000LL   /* how long gevent runs before GLib is looked at */
#define LONG_SLICE_NS 16000000LL   /* at most so long, where frames kept it waiting for even longer */

/* A dispatcher that lies deeper than the hub's base would be moved by the switch: harmless if only GLib's dispatch is on
 * its stack, deadly with an emission there. `count` is gilstate_counter without our own dispatch. */
int may_enter(Guest *guest, char *frame, int count) {
    if (guest->state == UNBORN)
        return 1;
    if (guest->state == RUNNING) /* a greenlet of gevent's has begun to run a GLib loop */
        return count == guest->level + 1;
    return frame > guest->base || count <= 1 - guest->offset || (guest->home && count == guest->nested_count);
}

/* Give control to the hub until it is suspended (returns the token) or until somebody switches to the current greenlet. */
PyObject *enter(Guest *guest) {
    PyGreenlet *current = PyGreenlet_GetCurrent(), *home = guest->home, *hub = (PyGreenlet *)Py_NewRef(guest->hub);
    char *frame = __builtin_frame_address(0);
    PyThreadState *thread = PyThreadState_Get();
    int state = guest->state, level = guest->level;
    guest->level = thread->gilstate_counter + (state == RUNNING ? -1 : state == UNBORN ? 0 : guest->offset);
    guest->home = current;
    Py_XSETREF(guest->host, (PyGreenlet *)Py_NewRef(current));
    guest->state = RUNNING;
    guest->paused_until = 0;
    guest->asked = clock_ns();
    /* Beside a window that never comes to rest it gets a third. */
    int64_t slice = guest->yielded ? (guest->asked - guest->suspended_at) / 2 : 0;
    slice = slice > LONG_SLICE_NS ? LONG_SLICE_NS : slice;
    guest->slice_end = guest->asked + (slice > GUEST_SLICE_NS ? slice : GUEST_SLICE_NS);
    guest->touched = guest->yielded = 0;
    if (state == UNBORN)
        guest->base = frame - 65536 < guest->core->floor ? frame - 65536 : guest->core->floor;
    PyObject *result = state == UNBORN ? switch_at_floor(guest->base, hub, NULL, NULL) : PyGreenlet_Switch(hub, NULL, NULL);
    guest->home = home;
    if (home)
        Py_XSETREF(guest->host, (PyGreenlet *)Py_NewRef(home));
    guest->offset = guest->level - thread->gilstate_counter;
    if (result != gevent.token && guest->state == RUNNING && state != RUNNING)
        guest->state = AWAY;
    if (state == RUNNING) /* a greenlet of gevent's runs a GLib loop, which has brought us here */
        guest->level = level;
    Py_DECREF(hub);
    Py_DECREF(current);
    return result;
}

/* Suspend the hub. Where nobody is home, a greenlet that was switched to by hand has ended: back to the loop. */
PyObject *go_home(Guest *guest, int state, int yielded, int64_t now) {
    guest->suspended_at = now;
    guest->yielded = yielded;
    guest->touched = 0;
    guest->polls++;
    guest->state = state;
    PyObject *args = PyTuple_Pack(1, guest->home ? gevent.token : Py_False);
    PyObject *result = args ? PyGreenlet_Switch(guest->home ? guest->home : guest->host, args, NULL) : NULL;
    Py_XDECREF(args);
    return result;
}

static int park(Guest *guest, int epfd, struct epoll_event *events, int max, int timeout, int64_t now) {
    PyThreadState *thread = guest->thread;
    PyEval_RestoreThread(thread);
    PyGreenlet *current = PyGreenlet_GetCurrent();
    Py_DECREF(current);
    if (current != guest->hub || !guest->host) { /* loop.run() called by hand */
        PyEval_SaveThread();
        return epoll_wait(epfd, events, max, timeout);
    }
    poll_epoll(guest, epfd);
    guest->deadline = timeout < 0 ? INT64_MAX : now + timeout * 1000000LL;
    PyObject *result = go_home(guest, PARKED, !timeout || guest->busy, now);
    guest->level = thread->gilstate_counter;
    guest->state = RUNNING;
    guest->yielded = 0;
    if (!result && PyErr_Occurred()) /* thrown into the hub: HubDestroyed, mostly */
        tell("thrown");
    Py_XDECREF(result);
    PyEval_SaveThread();
    int n = guest->plain ? 0 : epoll_wait(epfd, events, max, 0); /* in a child the descriptor is the parent's */
    guest->busy = n > 0;
    return n;
}

int guest_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout) {
    Guest *guest = &gevent.guest;
    gevent.waits++;
    if (PyGILState_GetThisThreadState() != guest->thread || guest->plain || guest->alone)
        return epoll_wait(epfd, events, max, timeout);
    int64_t now = clock_ns();
    if (guest->state == RUNNING && now < guest->slice_end && !(guest->tasks && guest->busy) &&
        (!timeout || guest->luck > 0 || !(++guest->tries & 15))) {
        int n = epoll_wait(epfd, events, max, 0);
        guest->busy = n > 0;
        if (timeout)
            guest->luck = n > 0 ? 4 : guest->luck > 0 ? guest->luck - 1 : 0;
        if (n || !timeout)
            return n;
    }
    if (now < guest->slice_end && !guest->tasks)
        guest->busy = 0; /* it has time left, and asks GLib only because nothing is ready */
    return park(guest, epfd, events, max, timeout, now);
}
