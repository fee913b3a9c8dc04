/* Job: what Task is made of. What runs it is a Fiber. */
#include "core.h"

#include <structmember.h>

static int job_traverse(Job *job, visitproc visit, void *arg) {
    Py_VISIT(job->value);
    Py_VISIT(job->shield);
    Py_VISIT(job->pending);
    Py_VISIT(job->strike);
    Py_VISIT(job->callbacks);
    Py_VISIT(job->name);
    Py_VISIT(job->guard);
    return HandleType.tp_traverse((PyObject *)job, visit, arg);
}

static int job_clear(Job *job) {
    Py_CLEAR(job->value);
    Py_CLEAR(job->shield);
    Py_CLEAR(job->pending);
    Py_CLEAR(job->strike);
    Py_CLEAR(job->callbacks);
    Py_CLEAR(job->name);
    Py_CLEAR(job->guard);
    return HandleType.tp_clear((PyObject *)job);
}

static void job_dealloc(Job *job) {
    PyObject_GC_UnTrack(job);
    job_clear(job);
    if (job->tally)
        PyMem_Free(job->tally);
    Py_CLEAR(job->hub);
    Py_TYPE(job)->tp_free(job);
}

static PyObject *plain_text(PyObject *object) { /* of str itself */
    PyObject *text = PyObject_Str(object);
    PyObject *plain = text ? PyUnicode_FromObject(text) : NULL;
    Py_XDECREF(text);
    return plain;
}

static int priority_of(PyObject *number) {
    static PyObject *zero;                  /* GLib.PRIORITY_DEFAULT: there is one int 0 in CPython */
    int overflow;
    if (number == zero)
        return 0;
    if (!zero)
        zero = PyLong_FromLong(0);
    if (!PyIndex_Check(number)) {
        PyErr_Format(PyExc_TypeError, "priority must be a whole number, such as GLib.PRIORITY_LOW, not %.100s",
                     Py_TYPE(number)->tp_name);
        return -1;
    }
    long priority = PyLong_AsLongAndOverflow(number, &overflow);
    if (overflow || priority != (int)priority) {
        PyErr_Format(PyExc_ValueError, "priority must be one of GLib's, such as GLib.PRIORITY_LOW, not %R", number);
        return -1;
    }
    return (int)priority;
}

static PyObject *job_new(PyTypeObject *type, PyObject *arguments, PyObject *Py_UNUSED(names)) {
    PyObject *const *part = ((PyTupleObject *)arguments)->ob_item; /* PyArg_ParseTuple takes a tenth of a spawn's time */
    if (PyTuple_GET_SIZE(arguments) != 6 || !PyTuple_Check(part[1]) || !PyDict_Check(part[2]))
        return PyErr_Format(PyExc_TypeError, "tasks are made by spawn(func, ...)");
    PyObject *func = part[0], *args = part[1], *kwargs = part[2], *name = part[4];
    int priority = priority_of(part[3]);
    if (priority == -1 && PyErr_Occurred())
        return NULL;
    if (!func_runs(func))
        return NULL;
    PyGreenlet *current = PyGreenlet_GetCurrent();
    Hub *hub = current ? get_hub(current) : NULL;
    Py_XDECREF(current);
    Lane *lane = hub && here(hub) ? (priority ? get_lane(hub, priority) : hub->normal) : NULL;
    PyObject *context = lane ? PyContext_CopyCurrent() : NULL;
    Job *job = context ? (Job *)type->tp_alloc(type, 0) : NULL;
    /* One of str itself: with attributes it could be in a cycle with a task that the collector no longer looks at. */
    name = !job ? NULL : name == Py_None || PyUnicode_CheckExact(name) ? Py_NewRef(name) : plain_text(name);
    if (!name) {
        Py_XDECREF(job);
        Py_XDECREF(context);
        return NULL;
    }
    init_item(job, hub, &job_kind);
    job->lane = lane;
    job->plain = type->tp_base == &JobType;
    job->func = Py_NewRef(func);
    job->args = Py_NewRef(args);
    job->kwargs = PyDict_GET_SIZE(kwargs) ? Py_NewRef(kwargs) : NULL;
    job->name = name;
    job->context = context;
    if ((job->following = hub->jobs))
        hub->jobs->previous = job;
    hub->jobs = (Job *)Py_NewRef(job);
    hub->n_jobs++;
    PyObject_GC_UnTrack(job); /* I5 */
    PyObject_GC_UnTrack(context);
    observe(hub, SPAWNED, job);
    if (part[5] == Py_True)
        push((Item *)Py_NewRef(job));
    return (PyObject *)job;
}

static Waiter *wait_to_interrupt(Job *job) { /* the task's own, else the newest of a greenlet that it has made */
    Waiter *newest = NULL;
    for (Waiter *waiter = job->waiter; waiter; waiter = waiter->outer) {
        if (waiter->greenlet && as_fiber(waiter->greenlet))
            return waiter;
        if (!newest && waiter->state <= READY)
            newest = waiter;
    }
    return newest;
}

/* interrupt(exception, through_shield=False): the one way to cut a task short: at its wait, or at the next one. */
static PyObject *job_interrupt(Job *job, PyObject *const *args, Py_ssize_t n) {
    int through = n == 2 && args[1] == Py_True;
    if (n < 1 || n > 2)
        return PyErr_Format(PyExc_TypeError, "interrupt() takes an exception, and whether shields let it through");
    if (!here(job->hub))
        return NULL;
    PyObject *exception = as_exception(args[0]);
    if (!exception)
        return NULL;
    Waiter *waiter = !has_ended(job) && (through || !given(job->shield)) ? wait_to_interrupt(job) : NULL;
    if (!has_ended(job))
        observe(job->hub, INTERRUPTED, job);
    if (waiter)
        interrupt(waiter, Py_NewRef(exception));
    /* For a raw child a GreenletExit is its result, as greenlet has it: so the task is told once more. */
    if (!has_ended(job) && !(waiter && (!waiter->greenlet || as_fiber(waiter->greenlet))))
        Py_XSETREF(*(through ? &job->strike : &job->pending), Py_NewRef(exception));
    Py_DECREF(exception);
    Py_RETURN_NONE;
}

/* take_back(type, through_shield=False): do not raise what was to be raised, if it is of this type and has not been yet. What
 * was let through is taken back from the next wait only. */
static PyObject *job_take_back(Job *job, PyObject *const *args, Py_ssize_t n) {
    int through = n == 2 && args[1] == Py_True;
    if (n < 1 || n > 2)
        return PyErr_Format(PyExc_TypeError, "take_back() takes a type, and whether shields let it through");
    if (!here_or_ended(job->hub))
        return NULL;
    PyObject *type = args[0], **slot = through ? &job->strike : &job->pending;
    if (*slot && PyErr_GivenExceptionMatches(*slot, type))
        Py_CLEAR(*slot);
    Waiter *waiter = through ? NULL : wait_to_interrupt(job);
    if (waiter && waiter->state == READY && waiter->interrupt && PyErr_GivenExceptionMatches(waiter->interrupt, type) &&
        (waiter->outcome != NONE || (waiter->greenlet && as_fiber(waiter->greenlet)))) {
        waiter->state = waiter->outcome == NONE ? WAITING : READY; /* what stands in the lane is passed over */
        Py_CLEAR(waiter->interrupt);
    }
    Py_RETURN_NONE;
}

static PyObject *job_start(Job *job, PyObject *Py_UNUSED(ignored)) { /* now, if that is safe here; else queue it */
    char *frame = __builtin_frame_address(0);
    Hub *hub = job->hub;
    if (!here(hub))
        return NULL;
    if (job->queued || job->state != NEW)
        return PyErr_Format(GleenletError, "this task was started before");
    if (frame <= hub->floor)
        push((Item *)Py_NewRef(job));
    else
        be_home(hub, INT_MIN, frame, (Item *)Py_NewRef(job));
    Py_RETURN_NONE;
}

static PyObject *job_done(Job *job, PyObject *Py_UNUSED(ignored)) { return PyBool_FromLong(has_ended(job)); }

static PyObject *job_cancelled(Job *job, PyObject *Py_UNUSED(ignored)) {
    return PyBool_FromLong(job->state == CANCELLED);
}

static PyObject *job_greenlet(Job *job, void *Py_UNUSED(closure)) {
    return Py_NewRef(job->fiber ? (PyObject *)job->fiber->greenlet : Py_None);
}

static PyObject *job_priority(Job *job, void *Py_UNUSED(closure)) { return PyLong_FromLong(job->lane->priority); }

static PyMethodDef job_methods[] = {
    {"done", (PyCFunction)job_done, METH_NOARGS, "done($self, /)\n--\n\n"
     "Has it ended, in whatever way?"},
    {"cancelled", (PyCFunction)job_cancelled, METH_NOARGS, "cancelled($self, /)\n--\n\n"
     "Did it end by cancellation?"},
    {"interrupt", (PyCFunction)(void (*)(void))job_interrupt, METH_FASTCALL,
     "interrupt($self, exception, through_shield=False, /)\n--\n\n"
     "Seam: raise an exception at its wait, or at the next one; through its shields, or after them."},
    {"take_back", (PyCFunction)(void (*)(void))job_take_back, METH_FASTCALL, "take_back($self, type, through_shield=False, /)\n--\n\n"
     "Seam: do not raise what `interrupt` was given after all, if it is of this type."},
    {"start", (PyCFunction)job_start, METH_NOARGS, "start($self, /)\n--\n\n"
     "Seam: run it up to its first wait, where that is safe; else queue it."},
    {NULL}};

static PyMemberDef job_members[] = {
    {"hub", T_OBJECT, offsetof(Job, hub), READONLY, "The hub whose loop runs it. Thread: any."},
    {"func", T_OBJECT, offsetof(Job, func), READONLY, "Seam: what it runs; after its end a name, or None."},
    {"_name", T_OBJECT, offsetof(Job, name), 0, NULL},
    {"value", T_OBJECT, offsetof(Job, value), READONLY, "Seam: its result or exception, by `state`; nobody has asked for it."},
    {"guard", T_OBJECT, offsetof(Job, guard), 0, "Seam: called before a wait begins, to refuse it; or None."},
    {"callbacks", T_OBJECT, offsetof(Job, callbacks), 0, "Seam: who is told of its end."},
    {"context", T_OBJECT, offsetof(Job, context), READONLY, "Seam: what it runs in, of contextvars."},
    {"waiter", T_OBJECT, offsetof(Job, waiter), READONLY, "Seam: its wait, or None."},
    {"shield", T_OBJECT, offsetof(Job, shield), 0, "Seam: its innermost shield, or None."},
    {"_held", T_BOOL, offsetof(Job, held), READONLY, NULL},
    {"state", T_UBYTE, offsetof(Job, state), READONLY, "Seam: how it has ended, a number; 0 before."},
    {NULL}};

static PyGetSetDef job_getset[] = {{"greenlet", (getter)job_greenlet, NULL, "The greenlet that runs it, or None.", NULL},
                                   {"priority", (getter)job_priority, NULL, "The GLib priority of its wake-ups.", NULL},
                                   {NULL}};

PyTypeObject JobType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._core._native.Job",
    .tp_basicsize = sizeof(Job),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .tp_new = job_new,
    .tp_traverse = (traverseproc)job_traverse,
    .tp_clear = (inquiry)job_clear,
    .tp_dealloc = (destructor)job_dealloc,
    .tp_methods = job_methods,
    .tp_members = job_members,
    .tp_getset = job_getset,
};
