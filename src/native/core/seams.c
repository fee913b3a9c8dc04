/* The four seams for who watches or directs the core, or lives beside it: observers, another clock, a chooser, neighbours.
 * Nothing here is on the way while nobody uses it. */
#include "core.h"

/* ---- observers ---- */

void observe(Hub *hub, int event, void *item) { /* called only where there is one */
    for (Observer *observer = hub->observer; observer; observer = observer->next)
        observer->see(observer, hub, event, item);
}

typedef struct {
    Observer base;
    PyObject *func;
} PyObserver;

/* It runs in the middle of a switch: as if in a C callback of home's, so that a wait in it is refused. */
static void see(Observer *observer, Hub *hub, int event, Item *item) {
    if (!item)
        return;
    PyObject *type, *value, *traceback;
    PyObject *func = Py_NewRef(((PyObserver *)observer)->func);
    Observer *all = hub->observer;
    PyErr_Fetch(&type, &value, &traceback);
    hub->observer = NULL; /* what it does itself is not observed */
    hub->home.count--;
    PyObject *number = PyLong_FromLong(event);
    PyObject *result = number ? PyObject_CallFunctionObjArgs(func, number, item, NULL) : NULL;
    if (!result)
        PyErr_WriteUnraisable(func);
    hub->home.count++;
    hub->observer = all;
    Py_XDECREF(number);
    Py_XDECREF(result);
    Py_DECREF(func);
    PyErr_Restore(type, value, traceback);
}

static void drop(Observer *observer) {
    Py_DECREF(((PyObserver *)observer)->func);
    PyMem_Free(observer);
}

PyObject *hub_observe(Hub *hub, PyObject *func) {
    if (!here(hub))
        return NULL;
    if (!PyCallable_Check(func))
        return PyErr_Format(PyExc_TypeError, "observe() needs a function, not %.100s", Py_TYPE(func)->tp_name);
    PyObserver *observer = PyMem_Malloc(sizeof *observer);
    if (!observer)
        return PyErr_NoMemory();
    *observer = (PyObserver){{see, drop, hub->observer}, Py_NewRef(func)};
    hub->observer = &observer->base;
    Py_RETURN_NONE;
}

PyObject *hub_unobserve(Hub *hub, PyObject *func) {
    if (!here(hub))
        return NULL;
    for (Observer **link = &hub->observer; *link; link = &(*link)->next)
        if ((*link)->see == see && ((PyObserver *)*link)->func == func) {
            Observer *observer = *link;
            *link = observer->next;
            drop(observer);
            Py_RETURN_NONE;
        }
    return PyErr_Format(GleenletError, "this function does not observe the hub, or it is called by it just now");
}

/* ---- a chooser ---- */

static PyObject *shown(Item *item) { /* as the chooser knows it: a task, a greenlet or a handle */
    Waiter *waiter = (Waiter *)item;
    if (item->kind->is == SWITCH)
        return ((Handle *)item)->func;
    if (item->kind->is != WAITER)
        return (PyObject *)item;
    return waiter->job ? (PyObject *)waiter->job : waiter->greenlet ? (PyObject *)waiter->greenlet : (PyObject *)waiter;
}

/* Have the chooser say which of all that is ready is next, and put it in front of its lane. What it says wrong is reported,
 * and the first one is taken. */
static Lane *choose(Hub *hub) {
    Lane *lane = hub->home.slice_end && hub->choices-- > 0 ? first_lane(hub) : NULL;
    if (!lane || !hub->chooser)
        return lane;
    PyObject *list = PyList_New(0);
    for (int i = 0; list && i < hub->n_lanes && hub->lanes[i]->priority <= hub->home.level; i++)
        for (Item *item = hub->lanes[i]->head; list && item; item = item->next)
            if (PyList_Append(list, shown(item)))
                Py_CLEAR(list);
    Py_ssize_t n = list ? PyList_GET_SIZE(list) : 0, choice = 0;
    if (n > 1) {
        PyObject *func = Py_NewRef(hub->chooser);
        PyObject *answer = PyObject_CallOneArg(func, list);
        choice = answer ? PyLong_AsSsize_t(answer) : -1;
        Py_XDECREF(answer);
        if (!PyErr_Occurred() && (choice < 0 || choice >= n))
            PyErr_Format(PyExc_IndexError, "a chooser has to return an index below %zd, not %zd", n, choice);
        if (PyErr_Occurred()) {
            report(hub, func);
            choice = 0;
        }
        Py_DECREF(func);
    }
    Py_XDECREF(list);
    for (int i = 0; i < hub->n_lanes && hub->lanes[i]->priority <= hub->home.level; i++)
        for (Item *item = hub->lanes[i]->head, *before = NULL; item; before = item, item = item->next)
            if (!choice--) {
                lane = hub->lanes[i];
                if (before) {
                    before->next = item->next;
                    if (lane->tail == item)
                        lane->tail = before;
                    item->next = lane->head;
                    lane->head = item;
                }
                return lane;
            }
    return first_lane(hub); /* the chooser has cancelled something meanwhile */
}

/* ---- another clock ---- */

PyObject *hub_set_clock(Hub *hub, PyObject *seconds) {
    double now = seconds == Py_None ? 0 : PyFloat_AsDouble(seconds);
    if ((now == -1.0 && PyErr_Occurred()) || !here(hub))
        return NULL;
    if (!(now >= 0 && now < 9e9))
        return PyErr_Format(PyExc_ValueError, "a clock shows 0 or more seconds, not %S", seconds);
    int64_t *clock = hub->clock;
    if (seconds == Py_None)
        hub->clock = NULL; /* prepare and check of this thread are not running now: we have the thread */
    else if (clock || (clock = PyMem_Malloc(sizeof *clock))) {
        int first = hub->n_timers && hub->timers[0].deadline / 1e9 == now; /* as _next_deadline() says it: to the ns */
        *clock = first ? hub->timers[0].deadline : (int64_t)(now * 1e9 + 0.5);
        hub->clock = clock;
        clock = NULL;
    } else
        return PyErr_NoMemory();
    PyMem_Free(clock);
    hub->choose = hub->clock || hub->chooser ? choose : NULL;
    hub->now = hub_clock(hub);
    if (hub->context && hub->open)
        context_wakeup(hub->context);
    Py_RETURN_NONE;
}

PyObject *hub_next_deadline(Hub *hub, PyObject *Py_UNUSED(ignored)) {
    return hub->n_timers ? PyFloat_FromDouble(hub->timers[0].deadline / 1e9) : Py_NewRef(Py_None);
}

PyObject *hub_set_chooser(Hub *hub, PyObject *func) {
    if (!here(hub))
        return NULL;
    if (func != Py_None && !PyCallable_Check(func))
        return PyErr_Format(PyExc_TypeError, "a chooser is a function, not %.100s", Py_TYPE(func)->tp_name);
    Py_XSETREF(hub->chooser, func == Py_None ? NULL : Py_NewRef(func));
    hub->choose = hub->clock || hub->chooser ? choose : NULL;
    Py_RETURN_NONE;
}

/* ---- neighbours ---- */

Neighbour *guest(Hub *hub) { /* the one that has greenlets of its own here, or NULL */
    Neighbour *neighbour = hub->neighbour;
    while (neighbour && !neighbour->block)
        neighbour = neighbour->next;
    return neighbour;
}

void tell_guest(Waiter *waiter) {
    Neighbour *its = guest(waiter->hub);
    if (its)
        its->wake(its, waiter);
}

void tell_turn(Hub *hub, int ours) {
    for (Neighbour *neighbour = hub->neighbour; neighbour; neighbour = neighbour->next)
        if (neighbour->turn)
            neighbour->turn(neighbour, hub, ours);
}

PyObject *hub_tell_turn(Hub *hub, PyObject *ours) { /* from who drives the loop */
    tell_turn(hub, ours == Py_True);
    Py_RETURN_NONE;
}

static void call_turn(Neighbour *neighbour, Hub *hub, int ours) {
    PyObject *pair = Py_NewRef(neighbour->self), *func = PyTuple_GET_ITEM(pair, 0);
    PyObject *result = PyObject_CallOneArg(func, ours ? Py_None : PyTuple_GET_ITEM(pair, 1));
    if (!result)
        report(hub, func);
    Py_XDECREF(result);
    Py_DECREF(pair);
}

static void drop_neighbour(Neighbour **link) {
    Neighbour *neighbour = *link;
    *link = neighbour->next;
    Py_CLEAR(neighbour->self);
    if (neighbour->turn == call_turn) /* the others are whose they are */
        PyMem_Free(neighbour);
}

PyObject *hub_set_turn(Hub *hub, PyObject *pair) { /* (func, others); func is None: not any more */
    if (PyTuple_GET_SIZE(pair) != 2)
        return PyErr_Format(PyExc_TypeError, "_set_turn() takes a function and what others see");
    Neighbour **link = &hub->neighbour;
    while (*link && (*link)->turn != call_turn)
        link = &(*link)->next;
    if (*link)
        drop_neighbour(link);
    if (PyTuple_GET_ITEM(pair, 0) == Py_None)
        Py_RETURN_NONE;
    Neighbour *neighbour = PyMem_Malloc(sizeof *neighbour);
    if (!neighbour)
        return PyErr_NoMemory();
    *neighbour = (Neighbour){call_turn, NULL, NULL, Py_NewRef(pair), hub->neighbour};
    hub->neighbour = neighbour;
    Py_RETURN_NONE;
}

void free_seams(Hub *hub) {
    while (hub->neighbour)
        drop_neighbour(&hub->neighbour);
    while (hub->observer) {
        Observer *observer = hub->observer;
        hub->observer = observer->next;
        observer->drop(observer);
    }
    PyMem_Free(hub->clock);
    Py_CLEAR(hub->chooser);
}
