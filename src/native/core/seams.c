/* The three seams for who watches or directs the core, or lives beside it: observers, another clock, a chooser.
 * Nothing here is on the way while nobody uses it. */
#include "core.h"

/* ---- observers ---- */

#define NOT_NOW (1 << 24) /* more than there are observers */

void observers_see(Hub *hub, int event, Item *item) {
    for (Observer *observer = hub->observers; observer; observer = observer->next)
        if (observer->see)
            observer->see(observer, hub, event, item);
}

/* It runs in the middle of a switch: as if in a C callback of home's, so that a wait in it is refused. What it does itself is
 * not observed, nor is it taken off meanwhile, whoever begins to observe. */
static void see(Observer *observer, Hub *hub, int event, Item *item) {
    if (!item)
        return;
    PyObject *exception = take_exception(), *func = Py_NewRef(observer->self), *number = PyLong_FromLong(event);
    hub->observed -= NOT_NOW;
    hub->home.count--;
    forget_result(number ? PyObject_CallFunctionObjArgs(func, number, item, NULL) : NULL, func);
    hub->home.count++;
    hub->observed += NOT_NOW;
    Py_XDECREF(number);
    Py_DECREF(func);
    restore_exception(exception);
}

static void call_turn(Observer *observer, Hub *hub, int ours) {
    PyObject *pair = Py_NewRef(observer->self), *func = PyTuple_GET_ITEM(pair, 0);
    report_failed(hub, PyObject_CallOneArg(func, ours ? Py_None : PyTuple_GET_ITEM(pair, 1)), func);
    Py_DECREF(pair);
}

static void drop(Observer *observer) {
    Py_DECREF(observer->self);
    PyMem_Free(observer);
}

static PyObject *add(Hub *hub, Observer like, PyObject *self) {
    Observer *observer = PyMem_Malloc(sizeof *observer);
    if (!observer)
        return PyErr_NoMemory();
    *observer = like;
    observer->self = Py_NewRef(self);
    add_observer(hub, observer);
    Py_RETURN_NONE;
}

PyObject *hub_observe(Hub *hub, PyObject *func) {
    if (!here(hub))
        return NULL;
    if (!PyCallable_Check(func))
        return PyErr_Format(PyExc_TypeError, "observe() needs a function, not %.100s", Py_TYPE(func)->tp_name);
    return add(hub, (Observer){.see = see, .drop = drop}, func);
}

PyObject *hub_unobserve(Hub *hub, PyObject *func) {
    if (!here(hub))
        return NULL;
    Observer *observer = hub->observed > 0 ? hub->observers : NULL;
    while (observer && !(observer->see == see && observer->self == func))
        observer = observer->next;
    if (!observer)
        return PyErr_Format(GleenletError, "this function does not observe the hub, or it is called by it just now");
    remove_observer(hub, observer);
    Py_RETURN_NONE;
}

PyObject *hub_set_turn(Hub *hub, PyObject *pair) { /* (func, others); func is None: not any more */
    if (PyTuple_GET_SIZE(pair) != 2)
        return PyErr_Format(PyExc_TypeError, "set_turn() takes a function and what others see");
    if (!here_or_ended(hub))
        return NULL;
    Observer *before = hub->observers;
    while (before && before->turn != call_turn)
        before = before->next;
    remove_observer(hub, before);
    return PyTuple_GET_ITEM(pair, 0) == Py_None ? Py_NewRef(Py_None)
                                                : add(hub, (Observer){.turn = call_turn, .drop = drop}, pair);
}

void tell_turn(Hub *hub, int ours) {
    for (Observer *observer = hub->observers, *next; observer; observer = next) {
        next = observer->next; /* its function may take it off */
        if (observer->turn)
            observer->turn(observer, hub, ours);
    }
}

PyObject *hub_tell_turn(Hub *hub, PyObject *ours) { /* from who drives the loop */
    tell_turn(hub, ours == Py_True);
    Py_RETURN_NONE;
}

Observer *guest(Hub *hub) { /* the one that has greenlets of its own here, or NULL */
    Observer *observer = hub->observers;
    while (observer && !observer->block)
        observer = observer->next;
    return observer;
}

/* ---- a chooser ---- */

static PyObject *shown(Item *item) { /* as the chooser knows it: a task, a greenlet or a handle */
    Waiter *waiter = (Waiter *)item;
    if (item->kind->is == SWITCH && ((Handle *)item)->func)
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
    int first = hub->n_timers && hub->timers[0].deadline / 1e9 == now; /* as next_deadline() says it: to the ns */
    hub->clock = seconds == Py_None ? -1 : first ? hub->timers[0].deadline : (int64_t)(now * 1e9 + 0.5);
    hub->choose = hub->clock >= 0 || hub->chooser ? choose : NULL;
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
    hub->choose = hub->clock >= 0 || hub->chooser ? choose : NULL;
    Py_RETURN_NONE;
}

void free_seams(Hub *hub) {
    while (hub->observers)
        remove_observer(hub, hub->observers);
    Py_CLEAR(hub->chooser);
}
