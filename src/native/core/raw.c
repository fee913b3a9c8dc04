/* Greenlets that somebody else made, and switches by hand: resumed from the loop (Python's half is raw.py). */
#include "stack.h"

/* Where the end of a greenlet goes: the first above it that lives; NULL: there is none. */
static PyGreenlet *heir(PyGreenlet *greenlet) {
    PyGreenlet *parent = PyGreenlet_GET_PARENT(greenlet);
    while (parent && !PyGreenlet_ACTIVE(parent))
        Py_XSETREF(parent, PyGreenlet_GET_PARENT(parent));
    return parent;
}

static Fiber *fiber_after(PyGreenlet *greenlet) { /* who runs on after one that is not ours, if that is ours */
    PyGreenlet *next = heir(greenlet);
    Fiber *fiber = next ? as_fiber(next) : NULL;
    Py_XDECREF(next);
    return fiber;
}

static int is_first(PyGreenlet *greenlet) { /* of its thread */
    PyGreenlet *parent = PyGreenlet_GET_PARENT(greenlet);
    Py_XDECREF(parent);
    return !parent;
}

Waiter *waiter_of(Hub *hub, PyGreenlet *greenlet) { /* borrowed: what it waits in, or NULL */
    Fiber *fiber = as_fiber(greenlet);
    Waiter *waiter = fiber ? fiber->job ? fiber->job->waiter : NULL
                           : (Waiter *)PyDict_GetItemWithError(hub->foreign, (PyObject *)greenlet);
    if (!waiter)
        PyErr_Clear();
    while (fiber && waiter && waiter->greenlet != greenlet) /* greenlets that the task has made may wait meanwhile */
        waiter = waiter->outer;
    return waiter;
}

PyObject *hub_waiter_of(Hub *hub, PyObject *greenlet) {
    Waiter *waiter = PyGreenlet_Check(greenlet) ? waiter_of(hub, (PyGreenlet *)greenlet) : NULL;
    return Py_NewRef(waiter ? (PyObject *)waiter : Py_None);
}

/* It is in a wait of its own, and so for nobody's end. Not a task's: who works for one does so by his parent. */
static int waits_alone(Hub *hub, PyGreenlet *greenlet) {
    Waiter *waiter = waiter_of(hub, greenlet);
    return waiter && waiter->greenlet && !waiter->job;
}

/* The end of a greenlet goes to its parent; whoever has started it by hand runs on then, ends perhaps as well, and so on. Where
 * that leads to the thread's first one, or to one that waits for something else, the end is meant for the loop: returns the last
 * before it, else NULL. */
static PyGreenlet *last_before_loop(Hub *hub, PyGreenlet *greenlet) {
    PyGreenlet *last = (PyGreenlet *)Py_NewRef(greenlet), *next;
    while ((next = heir(last)) && next != hub->home.greenlet && !as_fiber(next)) {
        if (is_first(next) || waits_alone(hub, next)) {
            Py_DECREF(next);
            return last;
        }
        Py_SETREF(last, next);
    }
    Py_XDECREF(next);
    Py_DECREF(last);
    return NULL;
}

/* Whose parent is home for one step, and the parent to give back; or nobody's. */
typedef struct {
    PyGreenlet *child, *parent;
} Lent;

/* What is meant for the loop, as the end of one that we start is, goes to home, which may be a greenlet that runs a loop inside
 * another: to leave it in the middle of its dispatch ends the process (glib/gmain.c, g_main_dispatch). */
static Lent lend_parent(Hub *hub, PyGreenlet *greenlet) {
    int started = PyGreenlet_STARTED(greenlet);
    PyGreenlet *child = started ? last_before_loop(hub, greenlet) : (PyGreenlet *)Py_NewRef(greenlet);
    PyGreenlet *parent = child ? PyGreenlet_GET_PARENT(child) : NULL;
    if (parent && PyGreenlet_SetParent(child, hub->home.greenlet)) { /* home descends from it */
        PyErr_Clear();
        Py_CLEAR(parent);
    }
    while (!started && parent && !is_first(parent))
        Py_SETREF(parent, PyGreenlet_GET_PARENT(parent));
    return (Lent){child, parent};
}

static void give_back(Lent *lent) {
    if (lent->parent && PyGreenlet_ACTIVE(lent->child) && PyGreenlet_SetParent(lent->child, lent->parent))
        PyErr_Clear();
    Py_XDECREF(lent->parent);
    Py_XDECREF(lent->child);
}

/* Resume a greenlet from home. Steals it. */
void resume(Hub *hub, PyGreenlet *greenlet, PyObject *args, PyObject *kwargs, PyObject *exception) {
    Lent lent = as_fiber(greenlet) ? (Lent){NULL, NULL} : lend_parent(hub, greenlet);
    PyObject *result = NULL;
    hub->home.running = as_fiber(greenlet);
    hub->steps++;
    if (exception)
        result = PyGreenlet_Throw(greenlet, (PyObject *)Py_TYPE(exception), exception, NULL);
    else if (PyGreenlet_STARTED(greenlet))
        result = PyGreenlet_Switch(greenlet, args, kwargs);
    else if (!PyObject_SetAttrString((PyObject *)greenlet, "_gleenlet_floor", Py_True))
        result = switch_at_floor(hub->floor, greenlet, args, kwargs);
    if (!hub->home.running && !PyGreenlet_ACTIVE(greenlet)) /* it has ended, so who runs on is the one it returned to */
        hub->home.running = fiber_after(greenlet);
    report_failed(hub, result, (PyObject *)greenlet);
    give_back(&lent);
    Py_DECREF(greenlet);
}

/* A Handle whose func is the greenlet: to be resumed with args and kwargs, or, where args are an exception, with that. */
static void switch_run(Hub *hub, Item *item) {
    Handle *by_hand = (Handle *)item;
    PyGreenlet *greenlet = (PyGreenlet *)by_hand->func; /* NULL: who looks on has cancelled it */
    PyObject *exception = by_hand->args && PyExceptionInstance_Check(by_hand->args) ? by_hand->args : NULL;
    int resumes = greenlet && greenlet != hub->home.greenlet;
    if (resumes && !fits(hub, greenlet, NULL)) {
        hold(hub, item);
        return;
    }
    if (resumes)
        resume(hub, (PyGreenlet *)Py_NewRef(greenlet), exception ? NULL : by_hand->args, by_hand->kwargs, exception);
    Py_DECREF(item);
}

static const Kind switch_kind = {SWITCH, push, switch_run, NULL};

int switch_later(Hub *hub, Lane *lane, PyGreenlet *greenlet, PyObject *args, PyObject *kwargs) {
    Handle *item = new_handle(hub, &switch_kind, (PyObject *)greenlet, args);
    if (!item)
        return -1;
    item->kwargs = Py_XNewRef(kwargs);
    item->lane = lane;
    push((Item *)item);
    return 0;
}

/* switch_later(greenlet, args or an exception, kwargs): resume it from the loop with greenlet's own switch() or throw() */
PyObject *hub_switch_later(Hub *hub, PyObject *const *args, Py_ssize_t n) {
    if (n != 3 || !here(hub))
        return n == 3 ? NULL : PyErr_Format(PyExc_TypeError, "switch_later() takes 3 arguments");
    PyObject *what = PyTuple_Check(args[1]) ? Py_NewRef(args[1]) : as_exception(args[1]);
    int failed = !what || switch_later(hub, hub->normal, (PyGreenlet *)args[0], what, args[2]);
    Py_XDECREF(what);
    return failed ? NULL : Py_NewRef(Py_None);
}
