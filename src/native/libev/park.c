/* To the hub and back: where libev would wait, the hub is suspended. */
#include "guest.h"

#include "../core/stack.h"

#include <sys/epoll.h>

#define GUEST_SLICE_NS 1000000LL   /* how long gevent runs before GLib is looked at */
#define LONG_SLICE_NS 16000000LL   /* at most so long, where frames kept it waiting for even longer */

/* Give control to the hub until it is suspended (returns the token) or until somebody switches to the current greenlet. */
PyObject *enter(void) {
    PyGreenlet *current = PyGreenlet_GetCurrent(), *home = stack.home, *hub = (PyGreenlet *)Py_NewRef(gevent.hub);
    char *frame = __builtin_frame_address(0);
    PyThreadState *thread = PyThreadState_Get();
    int state = turn.state, level = stack.level;
    stack.level = thread->gilstate_counter + (state == RUNNING ? -1 : state == UNBORN ? 0 : stack.offset);
    stack.home = current;
    Py_XSETREF(stack.host, (PyGreenlet *)Py_NewRef(current));
    turn.state = RUNNING;
    turn.paused_until = 0;
    turn.asked = clock_ns();
    /* Beside a window that never comes to rest it gets a third. */
    int64_t slice = turn.yielded ? (turn.asked - turn.suspended_at) / 2 : 0;
    slice = slice > LONG_SLICE_NS ? LONG_SLICE_NS : slice;
    turn.slice_end = turn.asked + (slice > GUEST_SLICE_NS ? slice : GUEST_SLICE_NS);
    turn.touched = turn.yielded = 0;
    if (state == UNBORN)
        stack.base = frame - 65536 < stack.core->floor ? frame - 65536 : stack.core->floor;
    PyObject *result = state == UNBORN ? switch_at_floor(stack.base, hub, NULL, NULL) : PyGreenlet_Switch(hub, NULL, NULL);
    stack.home = home;
    if (home)
        Py_XSETREF(stack.host, (PyGreenlet *)Py_NewRef(home));
    stack.offset = stack.level - thread->gilstate_counter;
    if (result != stack.token && turn.state == RUNNING && state != RUNNING)
        turn.state = AWAY;
    if (state == RUNNING) /* a greenlet of gevent's runs a GLib loop, which has brought us here */
        stack.level = level;
    Py_DECREF(hub);
    Py_DECREF(current);
    return result;
}

/* Suspend the hub. Where nobody is home, a greenlet that was switched to by hand has ended: back to the loop. */
PyObject *go_home(int state, int yielded, int64_t now) {
    turn.suspended_at = now;
    turn.yielded = yielded;
    turn.touched = 0;
    turn.polls++;
    turn.state = state;
    PyObject *args = PyTuple_Pack(1, stack.home ? stack.token : Py_False);
    PyObject *result = args ? PyGreenlet_Switch(stack.home ? stack.home : stack.host, args, NULL) : NULL;
    Py_XDECREF(args);
    return result;
}

static int park(int epfd, struct epoll_event *events, int max, int timeout, int64_t now) {
    PyThreadState *thread = stack.thread;
    PyEval_RestoreThread(thread);
    PyGreenlet *current = PyGreenlet_GetCurrent();
    Py_DECREF(current);
    if (current != gevent.hub || !stack.host) { /* loop.run() called by hand */
        PyEval_SaveThread();
        return epoll_wait(epfd, events, max, timeout);
    }
    poll_epoll(epfd);
    turn.deadline = timeout < 0 ? INT64_MAX : now + timeout * 1000000LL;
    PyObject *result = go_home(PARKED, !timeout || turn.busy, now);
    stack.level = thread->gilstate_counter;
    turn.state = RUNNING;
    turn.yielded = 0;
    if (!result && PyErr_Occurred()) /* thrown into the hub: HubDestroyed, mostly */
        tell("thrown");
    Py_XDECREF(result);
    PyEval_SaveThread();
    int n = stack.plain ? 0 : epoll_wait(epfd, events, max, 0); /* in a child the descriptor is the parent's */
    turn.busy = n > 0;
    return n;
}

int guest_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout) {
    turn.waits++;
    if (PyGILState_GetThisThreadState() != stack.thread || stack.plain || stack.alone)
        return epoll_wait(epfd, events, max, timeout);
    int64_t now = clock_ns();
    if (turn.state == RUNNING && now < turn.slice_end && !(turn.tasks && turn.busy) &&
        (!timeout || turn.luck > 0 || !(++turn.tries & 15))) {
        int n = epoll_wait(epfd, events, max, 0);
        turn.busy = n > 0;
        if (timeout)
            turn.luck = n > 0 ? 4 : turn.luck > 0 ? turn.luck - 1 : 0;
        if (n || !timeout)
            return n;
    }
    if (now < turn.slice_end && !turn.tasks)
        turn.busy = 0; /* it has time left, and asks GLib only because nothing is ready */
    return park(epfd, events, max, timeout, now);
}
