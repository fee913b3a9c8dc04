/* Hub: what hub.py's class is made of. The invariants stand in core.h. */
#include "stack.h"

#include <structmember.h>

static int hub_init(Hub *hub, PyObject *args, PyObject *Py_UNUSED(names)) {
    Py_ssize_t reserve = 0;
    char *floor;
    if (!PyArg_ParseTuple(args, "|n", &reserve))
        return -1;
    if (hub->floor) {
        PyErr_SetString(GleenletError, "this hub was made before: there is one for each thread, get_hub() returns it");
        return -1;
    }
    if (!(floor = find_floor(reserve)) || !(hub->foreign = PyDict_New()))
        return -1;
    hub->floor = floor;
    hub->thread = this_thread();
    hub->context = context_peek();
    hub->home.level = INT_MIN;
    hub->clock = -1;
    if (!(hub->idle = get_lane(hub, IDLE_PRIORITY)) || !(hub->normal = get_lane(hub, 0)) || own_hub(hub)) {
        destroy_sources(hub);
        return -1;
    }
    hub->open = 1;
    return 0;
}

static int hub_traverse(Hub *hub, visitproc visit, void *arg) {
    for (int i = 0; i < hub->n_lanes; i++)
        for (Item *item = hub->lanes[i]->head; item; item = item->next)
            Py_VISIT(item);
    for (Py_ssize_t i = 0; i < hub->n_timers; i++)
        Py_VISIT(hub->timers[i].item);
    for (Item *item = hub->held; item; item = item->next)
        Py_VISIT(item);
    for (Job *job = hub->jobs; job; job = job->following)
        Py_VISIT(job);
    Py_VISIT(hub->foreign);
    for (Observer *observer = hub->observers; observer; observer = observer->next)
        Py_VISIT(observer->self);
    Py_VISIT(hub->fatal);
    Py_VISIT(hub->chooser);
    for (int fd = 0; fd < hub->n_watches; fd++)
        Py_VISIT(hub->watches[fd].nested);
    return 0;
}

static void hub_dealloc(Hub *hub) { /* it has ended or was never made; nothing is queued: each item keeps its hub */
    PyObject_GC_UnTrack(hub);
    if (hub->weakrefs)
        PyObject_ClearWeakRefs((PyObject *)hub);
    free_sources(hub);
    free_seams(hub);
    PyMem_Free(hub->timers);
    Py_CLEAR(hub->foreign);
    Py_CLEAR(hub->fatal);
    Py_TYPE(hub)->tp_free(hub);
}

static PyObject *hub_wakeup(Hub *hub, PyObject *Py_UNUSED(ignored)) {
    if (!hub->open)
        return here(hub), NULL;
    context_wakeup(hub->context);
    Py_RETURN_NONE;
}

static PyObject *hub_check_thread(Hub *hub, PyObject *Py_UNUSED(ignored)) {
    return here(hub) ? Py_NewRef(Py_None) : NULL;
}

static PyObject *hub_acquire(Hub *hub, PyObject *Py_UNUSED(ignored)) {
    return here(hub) ? PyBool_FromLong(context_acquire(hub->context)) : NULL;
}

static PyObject *hub_release(Hub *hub, PyObject *Py_UNUSED(ignored)) {
    context_release(hub->context); /* acquired, so it is there even if the hub has been closed meanwhile */
    Py_RETURN_NONE;
}

/* _iterate(waiter, may_sleep): turn the loop until the waiter has its outcome and has left its lane: True; False: nothing
 * was ready, and it may not sleep. */
static PyObject *hub_iterate(Hub *hub, PyObject *args) {
    Waiter *waiter;
    int may_sleep;
    if (!PyArg_ParseTuple(args, "O!p", &WaiterType, &waiter, &may_sleep))
        return NULL;
    while (waiter->queued || waiter->state <= WAITING) {
        int dispatched = context_iterate(hub->context, may_sleep);
        if (hub->fatal) {
            PyObject *fatal = hub->fatal;
            hub->fatal = NULL;
            raise_exception(fatal);
            return NULL;
        }
        if (PyErr_CheckSignals())
            return NULL;
        if (!hub->open)
            return here(hub), NULL;
        if (!dispatched && !may_sleep)
            Py_RETURN_FALSE;
    }
    Py_RETURN_TRUE;
}

/* For a task that runs a loop of its own: should it give way, by sleep(0)? */
static PyObject *hub_must_yield(Hub *hub, PyObject *Py_UNUSED(ignored)) {
    if (!here_or_ended(hub))
        return NULL;
    tell_time(hub);
    int yields = hub->now >= hub->home.slice_end || (hub->n_timers && hub->timers[0].deadline <= hub->now);
    for (int i = 0; !yields && i < hub->n_lanes && hub->lanes[i]->priority < IDLE_PRIORITY; i++)
        yields = hub->lanes[i]->head != NULL;
    return PyBool_FromLong(yields);
}

static PyObject *hub_time(Hub *hub, PyObject *Py_UNUSED(ignored)) { return PyFloat_FromDouble(hub_clock(hub) / 1e9); }

static PyMethodDef hub_methods[] = {
    {"tasks", (PyCFunction)hub_tasks, METH_NOARGS, "tasks($self, /)\n--\n\n"
     "The unfinished tasks, oldest first."},
    {"must_yield", (PyCFunction)hub_must_yield, METH_NOARGS, "must_yield($self, /)\n--\n\n"
     "Is the slice over, or does another task wait for its turn? Raises: GleenletError: the hub is another thread's."},
    {"wakeup", (PyCFunction)hub_wakeup, METH_NOARGS, "wakeup($self, /)\n--\n\n"
     "Have the context look at its sources again. Thread: any."},
    {"check_thread", (PyCFunction)hub_check_thread, METH_NOARGS, "check_thread($self, /)\n--\n\n"
     "Raise unless this is the hub's thread, and neither has ended. Raises: GleenletError. Thread: any."},
    {"_close", (PyCFunction)hub_close, METH_NOARGS, NULL},
    {"watch", (PyCFunction)(void (*)(void))hub_watch, METH_FASTCALL, "watch($self, file, func, /)\n--\n\n"
     "Have the loop call `func()` whenever something new can be read from a descriptor, until `unwatch`; it must not wait.\n\n"
     "Args:\n"
     "    file: a descriptor, or an object with `fileno()`; nobody else waits for it meanwhile.\n\n"
     "Raises: ValueError: it is closed or cannot be polled. TypeError: `func` cannot be called. GleenletError: it is watched\n"
     "already, or a task waits for it; the hub is another thread's, or closed."},
    {"unwatch", (PyCFunction)hub_unwatch, METH_O, "unwatch($self, file, /)\n--\n\nUndo `watch`; nothing if there is none."},
    {"forget_in_child", (PyCFunction)hub_forget_in_child, METH_NOARGS, "forget_in_child($self, /)\n--\n\n"
     "Seam: in a forked child, keep the task that runs alone; return the tasks and the handles that are forgotten."},
    {"_acquire", (PyCFunction)hub_acquire, METH_NOARGS, NULL},
    {"_release", (PyCFunction)hub_release, METH_NOARGS, NULL},
    {"_iterate", (PyCFunction)hub_iterate, METH_VARARGS, NULL},
    {"time", (PyCFunction)hub_time, METH_NOARGS, "time($self, /)\n--\n\n"
     "Return the hub's clock in seconds: `time.monotonic()`."},
    {"observe", (PyCFunction)hub_observe, METH_O, "observe($self, func, /)\n--\n\n"
     "Seam: have `func(event, item)` called at each step: it must not wait. Events are numbers, see core.h."},
    {"unobserve", (PyCFunction)hub_unobserve, METH_O, "unobserve($self, func, /)\n--\n\nSeam: undo `observe`."},
    {"set_turn", (PyCFunction)hub_set_turn, METH_VARARGS, "set_turn($self, func, others, /)\n--\n\n"
     "Seam: have `func(None)` called when tasks begin to run in the loop, `func(others)` when its other callbacks go on."},
    {"_tell_turn", (PyCFunction)hub_tell_turn, METH_O, NULL},
    {"set_clock", (PyCFunction)hub_set_clock, METH_O, "set_clock($self, seconds, /)\n--\n\n"
     "Seam: let the hub's clock stand at `seconds`, until it is set again; None: CLOCK_MONOTONIC."},
    {"set_chooser", (PyCFunction)hub_set_chooser, METH_O, "set_chooser($self, func, /)\n--\n\n"
     "Seam: have `func` return the index of the next, of a list of what is ready where there are several: tasks, greenlets, handles."},
    {"next_deadline", (PyCFunction)hub_next_deadline, METH_NOARGS, "next_deadline($self, /)\n--\n\n"
     "Seam: return when the first timer is due, on the hub's clock; None if there is none."},
    {"_call", (PyCFunction)(void (*)(void))hub_call, METH_FASTCALL, NULL},
    {"waiter_of", (PyCFunction)hub_waiter_of, METH_O, "waiter_of($self, greenlet, /)\n--\n\n"
     "Seam: the Waiter that a greenlet waits in, or None."},
    {"switch_later", (PyCFunction)(void (*)(void))hub_switch_later, METH_FASTCALL, "switch_later($self, greenlet, what, kwargs, /)\n--\n\n"
     "Seam: resume a greenlet from the loop with these arguments, or an exception in their place."},
    {NULL}};

static PyMemberDef hub_members[] = {
    {"thread", T_ULONG, offsetof(Hub, thread), READONLY, "The identifier of its thread."},
    {"floor", T_ULONGLONG, offsetof(Hub, floor), READONLY, "Where the stack of its tasks begins."},
    {"steps", T_ULONGLONG, offsetof(Hub, steps), READONLY, "How often a task or greenlet was resumed so far."},
    {"home", T_OBJECT, offsetof(Hub, home.greenlet), READONLY, "Seam: the greenlet that is in the innermost dispatch, or None."},
    {"foreign", T_OBJECT, offsetof(Hub, foreign), READONLY, "Seam: the waiters of greenlets that are no task's."},
    {"complained", T_BOOL, offsetof(Hub, complained), 0, "Seam: a loop that holds the tasks up has been warned of."},
    {"_fatal", T_OBJECT, offsetof(Hub, fatal), 0, NULL},
    {"_timers", T_PYSSIZET, offsetof(Hub, n_timers), READONLY, NULL},
    {"_pooled", T_INT, offsetof(Hub, n_pool), READONLY, NULL},
    {"_stack_chunk", T_INT, offsetof(Hub, stack_chunk), 0, NULL},
    {NULL}};

static PyObject *hub_closed(Hub *hub, void *Py_UNUSED(closure)) { return PyBool_FromLong(!hub->open); }

static PyObject *hub_held(Hub *hub, void *Py_UNUSED(closure)) {
    int n = 0;
    for (Item *item = hub->held; item; item = item->next)
        n++;
    return PyLong_FromLong(n);
}

static PyObject *hub_running(Hub *hub, void *Py_UNUSED(closure)) {
    return Py_NewRef(hub->home.running && hub->home.running->job ? (PyObject *)hub->home.running->job : Py_None);
}

static PyGetSetDef hub_getset[] = {
    {"running", (getter)hub_running, NULL, "Seam: the task that runs now, if that is known. Thread: any.", NULL},
    {"closed", (getter)hub_closed, NULL, "Has its thread or its context ended? Thread: any.", NULL},
    {"_held", (getter)hub_held, NULL, NULL, NULL},
    {NULL}};

PyTypeObject HubType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._core._native.Hub",
    .tp_basicsize = sizeof(Hub),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)hub_init,
    .tp_traverse = (traverseproc)hub_traverse,
    .tp_dealloc = (destructor)hub_dealloc,
    .tp_weaklistoffset = offsetof(Hub, weakrefs),
    .tp_methods = hub_methods,
    .tp_members = hub_members,
    .tp_getset = hub_getset,
};
