/* Who waits in order, first come, first served; and what belongs to one thread. */
#include "core.h"

#include <stddef.h>
#include <structmember.h>

/* ---- Line ---- */

void stand_in(Line *line, Waiter *waiter) { /* at its end */
    waiter->ahead = line->last;
    *(line->last ? &line->last->beside : &line->first) = waiter;
    line->last = waiter;
}

void leave_line(Line *line, Waiter *waiter) {
    *(waiter->ahead ? &waiter->ahead->beside : &line->first) = waiter->beside;
    *(waiter->beside ? &waiter->beside->ahead : &line->last) = waiter->ahead;
    waiter->ahead = waiter->beside = NULL;
}

/* What somebody was given who does not go on is the next one's. With an exception set, which stays. */
void pass_it_on(int (*pass_on)(PyObject *), PyObject *whose) {
    PyObject *error = take_exception();
    if (pass_on(whose))
        PyErr_WriteUnraisable(whose);
    raise_exception(error);
}

/* Wait until woken: what it was woken with. Where that fails though somebody had woken the caller, pass_on(whose). */
PyObject *wait_in_line(Line *line, PyObject *on, PyObject *verb, int (*pass_on)(PyObject *), PyObject *whose) {
    PyGreenlet *current;
    Waiter *waiter = waiter_here(&current, on, verb);
    PyObject *result = NULL;
    if (waiter) {
        stand_in(line, waiter);
        result = wait_for(waiter, current, NULL);
        if (waiter->ahead || line->first == waiter)
            leave_line(line, waiter);
        if (waiter->outcome == WOKEN) {
            line->promised--;
            if (!result && pass_on)
                pass_it_on(pass_on, whose);
        }
        Py_DECREF(waiter);
    }
    Py_XDECREF(current);
    return result;
}

static int wake_one(Line *line, Waiter *waiter, PyObject *value, enum Outcome outcome) {
    Py_INCREF(waiter);
    leave_line(line, waiter);
    int woken = wake(waiter, value, outcome);
    Py_DECREF(waiter);
    return woken;
}

int wake_first(Line *line, PyObject *value, enum Outcome outcome) { /* 1; 0: it was too late for him; -1: an error is set */
    return wake_one(line, line->first, value, outcome);
}

int wake_next(Line *line) { /* 1; 0: there is none; -1: an error is set */
    int woken = 0;
    while (!woken && line->first)
        woken = wake_first(line, Py_None, WOKEN);
    line->promised += woken > 0;
    return woken;
}

Py_ssize_t line_length(const Line *line) {
    Py_ssize_t n = 0;
    for (Waiter *waiter = line->first; waiter; waiter = waiter->beside)
        n += waiter->state == WAITING;
    return n;
}

/* ---- Line, as Python has it ---- */

typedef struct {
    PyObject_HEAD
    Line line;
    PyObject *verb;
} PyLine;

static PyObject *pyline_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(names)) {
    PyObject *verb;
    PyLine *self = PyArg_ParseTuple(args, "U:Line", &verb) ? (PyLine *)type->tp_alloc(type, 0) : NULL;
    if (self)
        self->verb = Py_NewRef(verb);
    return (PyObject *)self;
}

static void pyline_dealloc(PyLine *self) {
    Py_CLEAR(self->verb);
    Py_TYPE(self)->tp_free(self);
}

static int call_it(PyObject *func) {
    PyObject *result = PyObject_CallNoArgs(func);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static PyObject *pyline_wait(PyLine *self, PyObject *const *args, Py_ssize_t n) {
    if (n < 1 || n > 2)
        return PyErr_Format(PyExc_TypeError, "wait() takes what is waited on, and what passes a wake-up on");
    PyObject *pass_on = n == 2 ? args[1] : Py_None;
    return wait_in_line(&self->line, args[0], self->verb, pass_on == Py_None ? NULL : call_it, pass_on);
}

static PyObject *wake_some(Line *line, Py_ssize_t most, int waiting) { /* with their numbers; waiting: only who len() counts */
    Py_ssize_t woken = 0;
    while (woken < most) {
        Waiter *waiter = line->first;
        while (waiting && waiter && waiter->state != WAITING)
            waiter = waiter->beside;
        if (!waiter)
            break;
        PyObject *place = PyLong_FromSsize_t(woken);
        int one = place ? wake_one(line, waiter, place, WOKEN) : -1;
        Py_XDECREF(place);
        if (one < 0)
            return NULL;
        line->promised += one;
        woken += one;
    }
    return PyLong_FromSsize_t(woken);
}

static PyObject *pyline_wake(PyLine *self, PyObject *const *args, Py_ssize_t n) {
    Py_ssize_t most = n ? PyLong_AsSsize_t(args[0]) : PY_SSIZE_T_MAX;
    if (n > 1)
        return PyErr_Format(PyExc_TypeError, "wake() takes at most a number");
    return most == -1 && PyErr_Occurred() ? NULL : wake_some(&self->line, most, 0);
}

static PyObject *pyline_wake_counted(PyLine *self, PyObject *Py_UNUSED(ignored)) {
    return wake_some(&self->line, PY_SSIZE_T_MAX, 1);
}

static Py_ssize_t pyline_length(PyLine *self) { return line_length(&self->line); }

static PyMemberDef pyline_members[] = {
    {"promised", T_PYSSIZET, offsetof(PyLine, line.promised), READONLY, "How many were woken and have not run since."}, {NULL}};

static PyMethodDef pyline_methods[] = {
    {"wait", (PyCFunction)(void (*)(void))pyline_wait, METH_FASTCALL,
     "wait(on, pass_on=None): until woken; return how many the same wake() had woken before.\n\n"
     "pass_on() is called where this raises though it was woken: what it was given is the next one's."},
    {"wake", (PyCFunction)(void (*)(void))pyline_wake, METH_FASTCALL,
     "wake(n): the first n, or all; return how many there were."},
    {"wake_counted", (PyCFunction)pyline_wake_counted, METH_NOARGS,
     "All whom len() counts: not who has been cancelled, but not gone on yet. Return how many there were."},
    {NULL}};

static PySequenceMethods pyline_as_sequence = {.sq_length = (lenfunc)pyline_length};

PyTypeObject LineType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._core._native.Line",
    .tp_doc = "Line(verb): who waits in order, first come, first served.",
    .tp_basicsize = sizeof(PyLine),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = pyline_new,
    .tp_dealloc = (destructor)pyline_dealloc,
    .tp_methods = pyline_methods,
    .tp_members = pyline_members,
    .tp_as_sequence = &pyline_as_sequence,
};

/* ---- ThreadBound ---- */

int claim_first(ThreadBound *self, PyObject *what) {
    if (!self->thread) {
        self->thread = this_thread();
        return 0;
    }
    PyObject *name = PyType_GetName(Py_TYPE(what));
    if (name)
        PyErr_Format(GleenletError,
                     "this %U belongs to another thread, the first to use it: use Hub.call_soon_threadsafe() or "
                     "from_thread() to enter that one from here",
                     name);
    Py_XDECREF(name);
    return -1;
}

static PyObject *bound_claim(ThreadBound *self, PyObject *const *args, Py_ssize_t n) {
    if (self->thread != this_thread() && claim_first(self, n ? args[0] : (PyObject *)self))
        return NULL;
    Py_RETURN_NONE;
}

static void bound_dealloc(ThreadBound *self) {
    if (self->weakrefs)
        PyObject_ClearWeakRefs((PyObject *)self);
    Py_TYPE(self)->tp_free(self);
}

static PyMethodDef bound_methods[] = {
    {"claim", (PyCFunction)(void (*)(void))bound_claim, METH_FASTCALL,
     "Seam: it is this thread's from now on; GleenletError, about `what` or itself, if it is another's."},
    {NULL}};

PyTypeObject ThreadBoundType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._core._native.ThreadBound",
    .tp_doc = "What belongs to the thread that uses it first.",
    .tp_basicsize = sizeof(ThreadBound),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = (destructor)bound_dealloc,
    .tp_weaklistoffset = offsetof(ThreadBound, weakrefs),
    .tp_methods = bound_methods,
};

PyObject *describe(PyObject *what, const char *state, Py_ssize_t waiters) {
    PyObject *name = PyType_GetQualName(Py_TYPE(what)), *text = NULL;
    if (name && waiters)
        text = PyUnicode_FromFormat("<gleenlet.%U object at %p [%s, waiters:%zd]>", name, what, state, waiters);
    else if (name)
        text = PyUnicode_FromFormat("<gleenlet.%U object at %p [%s]>", name, what, state);
    Py_XDECREF(name);
    return text;
}

PyObject *core_describe(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *what;
    const char *state;
    Py_ssize_t waiters;
    return PyArg_ParseTuple(args, "Osn", &what, &state, &waiters) ? describe(what, state, waiters) : NULL;
}

int takes_nothing(PyObject *self, PyObject *args, PyObject *names) {
    if (!PyTuple_GET_SIZE(args) && (!names || !PyDict_GET_SIZE(names)))
        return 0;
    PyObject *name = PyType_GetName(Py_TYPE(self));
    if (name)
        PyErr_Format(PyExc_TypeError, "%U() takes no arguments", name);
    Py_XDECREF(name);
    return -1;
}
