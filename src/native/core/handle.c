/* Handle: a function for the loop, now or later. */
#include "core.h"

#include <math.h>
#include <structmember.h>

static int handle_traverse(Handle *handle, visitproc visit, void *arg) {
    Py_VISIT(handle->hub);
    Py_VISIT(handle->func);
    Py_VISIT(handle->args);
    Py_VISIT(handle->kwargs);
    Py_VISIT(handle->context);
    return 0;
}

static int handle_clear(Handle *handle) {
    Py_CLEAR(handle->func);
    Py_CLEAR(handle->args);
    Py_CLEAR(handle->kwargs);
    Py_CLEAR(handle->context);
    return 0;
}

static void handle_dealloc(Handle *handle) {
    PyObject_GC_UnTrack(handle);
    handle_clear(handle);
    Py_CLEAR(handle->hub);
    Py_TYPE(handle)->tp_free(handle);
}

static PyObject *handle_cancel(Handle *handle, PyObject *Py_UNUSED(ignored)) {
    if (!here_or_ended(handle->hub))
        return NULL;
    if (handle->state < DONE) {
        handle->state = CANCELLED;
        if (handle->hub->open)
            drop_timer((Item *)handle);
        Py_CLEAR(handle->func); /* queued already: handle_run finds nothing to do */
    }
    Py_RETURN_NONE;
}

static PyObject *handle_cancelled(Handle *handle, PyObject *Py_UNUSED(ignored)) {
    return PyBool_FromLong(handle->state == CANCELLED);
}

static PyObject *handle_when(Handle *handle, PyObject *Py_UNUSED(ignored)) {
    return PyFloat_FromDouble(handle->deadline / 1e9);
}

static PyMethodDef handle_methods[] = {
    {"cancel", (PyCFunction)handle_cancel, METH_NOARGS, "Do not call it after all. Thread: the hub's."},
    {"cancelled", (PyCFunction)handle_cancelled, METH_NOARGS, "Was it cancelled?"},
    {"when", (PyCFunction)handle_when, METH_NOARGS, "The deadline on the hub's clock, in seconds."},
    {NULL}};

static PyMemberDef handle_members[] = {{"func", T_OBJECT, offsetof(Handle, func), READONLY, "Seam: what is called; None once it was cancelled."}, {NULL}};

PyTypeObject HandleType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._core._native.Handle",
    .tp_doc = "A function that the loop will call, as asyncio's Handle; made by Hub.call_soon() and its kin.",
    .tp_basicsize = sizeof(Handle),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_traverse = (traverseproc)handle_traverse,
    .tp_clear = (inquiry)handle_clear,
    .tp_dealloc = (destructor)handle_dealloc,
    .tp_methods = handle_methods,
    .tp_members = handle_members,
};

PyObject *call(Handle *handle) { /* or a Job, in its context */
    if (PyContext_Enter(handle->context))
        return NULL;
    PyObject *result = PyObject_Call(handle->func, handle->args, handle->kwargs);
    if (PyContext_Exit(handle->context))
        Py_CLEAR(result);
    return result;
}

static void handle_run(Hub *hub, Item *item) {
    Handle *handle = (Handle *)item;
    handle->state = DONE;
    if (handle->func) /* else it was cancelled */
        report_failed(hub, call(handle), handle->func);
    Py_DECREF(handle);
}

static const Kind handle_kind = {HANDLE, push, handle_run, NULL};

Handle *new_handle(Hub *hub, const Kind *kind, PyObject *func, PyObject *args) { /* neither queued nor timed yet */
    Handle *handle = (Handle *)HandleType.tp_alloc(&HandleType, 0);
    if (!handle)
        return NULL;
    init_item(handle, hub, kind);
    handle->func = Py_NewRef(func);
    handle->args = Py_XNewRef(args);
    return handle;
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
    Handle *handle = new_handle(hub, &handle_kind, args[0], args[1]);
    if (!handle)
        return NULL;
    handle->deadline = deadline;
    handle->context = PyContext_CopyCurrent();
    if (!handle->context || (args[2] != Py_None && timer_add((Item *)handle))) {
        Py_DECREF(handle);
        return NULL;
    }
    if (args[2] == Py_None) {
        push((Item *)Py_NewRef(handle));
        if (this_thread() != hub->thread)
            context_wakeup(hub->context);
    }
    return (PyObject *)handle;
}
