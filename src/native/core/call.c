/* Call: a function for the loop, now or later. */
#include "core.h"

#include <math.h>

static int call_traverse(Call *call, visitproc visit, void *arg) {
    Py_VISIT(call->hub);
    Py_VISIT(call->func);
    Py_VISIT(call->args);
    Py_VISIT(call->kwargs);
    Py_VISIT(call->context);
    return 0;
}

static int call_clear(Call *call) {
    Py_CLEAR(call->func);
    Py_CLEAR(call->args);
    Py_CLEAR(call->kwargs);
    Py_CLEAR(call->context);
    return 0;
}

static void call_dealloc(Call *call) {
    PyObject_GC_UnTrack(call);
    call_clear(call);
    Py_CLEAR(call->hub);
    Py_TYPE(call)->tp_free(call);
}

static PyObject *call_cancel(Call *call, PyObject *Py_UNUSED(ignored)) {
    if (!here(call->hub))
        return NULL;
    if (call->state < DONE) {
        call->state = CANCELLED;
        drop_timer((Item *)call);
        Py_CLEAR(call->func); /* queued already: run_call finds nothing to do */
    }
    Py_RETURN_NONE;
}

static PyObject *call_cancelled(Call *call, PyObject *Py_UNUSED(ignored)) {
    return PyBool_FromLong(call->state == CANCELLED);
}

static PyObject *call_when(Call *call, PyObject *Py_UNUSED(ignored)) {
    return PyFloat_FromDouble(call->deadline / 1e9);
}

static PyMethodDef call_methods[] = {
    {"cancel", (PyCFunction)call_cancel, METH_NOARGS, "Do not call it after all. Thread: the hub's."},
    {"cancelled", (PyCFunction)call_cancelled, METH_NOARGS, "Was it cancelled?"},
    {"when", (PyCFunction)call_when, METH_NOARGS, "The deadline on the hub's clock, in seconds."},
    {NULL}};

PyTypeObject CallType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._core._native.Handle",
    .tp_doc = "A function that the loop will call, as asyncio's Handle; made by Hub.call_soon() and its kin.",
    .tp_basicsize = sizeof(Call),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_traverse = (traverseproc)call_traverse,
    .tp_clear = (inquiry)call_clear,
    .tp_dealloc = (destructor)call_dealloc,
    .tp_methods = call_methods,
};

static void call_run(Hub *hub, Item *item) {
    Call *call = (Call *)item;
    call->state = DONE;
    if (call->func && PyContext_Enter(call->context))
        report(hub, call->func);
    else if (call->func) {
        PyObject *func = Py_NewRef(call->func), *context = Py_NewRef(call->context);
        PyObject *result = PyObject_Call(func, call->args, call->kwargs);
        PyObject *exception = result ? NULL : take_exception();
        PyContext_Exit(context);
        if (exception) {
            raise_exception(exception);
            report(hub, func);
        }
        Py_XDECREF(result);
        Py_DECREF(context);
        Py_DECREF(func);
    }
    Py_DECREF(call);
}

static const Kind call_kind = {CALL, push, call_run, NULL};

Call *new_call(Hub *hub, PyObject *func, PyObject *args) { /* neither queued nor timed yet */
    Call *call = (Call *)CallType.tp_alloc(&CallType, 0);
    if (!call)
        return NULL;
    call->hub = (Hub *)Py_NewRef(hub);
    call->lane = hub->normal;
    call->timer = -1;
    call->kind = &call_kind;
    call->func = Py_NewRef(func);
    call->args = Py_NewRef(args);
    if (!(call->context = PyContext_CopyCurrent()))
        Py_CLEAR(call);
    return call;
}

/* _call(func, args, deadline in seconds or None) -> Handle; any thread where there is no deadline */
PyObject *hub_call(Hub *hub, PyObject *const *args, Py_ssize_t n) {
    int64_t deadline = 0;
    if (n != 3 || !PyTuple_Check(args[1]))
        return PyErr_Format(PyExc_TypeError, "_call() takes a function, a tuple and a deadline");
    if (!PyCallable_Check(args[0]))
        return PyErr_Format(PyExc_TypeError, "a function to call is needed, not %.100s", Py_TYPE(args[0])->tp_name);
    if (!hub->open)
        return here(hub), NULL;
    if (args[2] != Py_None) {
        double seconds = PyFloat_AsDouble(args[2]);
        if (seconds == -1.0 && PyErr_ExceptionMatches(PyExc_TypeError))
            return PyErr_Format(PyExc_TypeError, "a deadline must be a number of seconds, not %.100s",
                                Py_TYPE(args[2])->tp_name);
        if ((seconds == -1.0 && PyErr_Occurred()) || !here(hub))
            return NULL;
        if (isnan(seconds))
            return PyErr_Format(PyExc_ValueError, "a deadline must not be NaN");
        deadline = seconds > 9e9 ? INT64_MAX : seconds < 0 ? 0 : (int64_t)(seconds * 1e9);
    }
    Call *call = new_call(hub, args[0], args[1]);
    if (!call)
        return NULL;
    call->deadline = deadline;
    if (args[2] != Py_None && timer_add((Item *)call)) {
        Py_DECREF(call);
        return NULL;
    }
    if (args[2] == Py_None) {
        push((Item *)Py_NewRef(call));
        if (this_thread() != hub->thread)
            context_wakeup(hub->context);
    }
    return (PyObject *)call;
}
