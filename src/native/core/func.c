/* What a function tells that a task is to run: its name, and whether calling it runs it. Knows no task. */
#include "core.h"

#if PY_VERSION_HEX < 0x030D0000
#define PyObject_GetOptionalAttr _PyObject_LookupAttr
#endif

static PyTypeObject *partial_type;

int ready_func(void) {
    PyObject *functools = PyImport_ImportModule("functools");
    partial_type = functools ? (PyTypeObject *)PyObject_GetAttrString(functools, "partial") : NULL;
    Py_XDECREF(functools);
    return partial_type ? 0 : -1;
}

/* The Python function that calling `callable` comes to, borrowed; or NULL. */
static PyObject *python_function(PyObject *callable) {
    for (;;) {
        if (PyFunction_Check(callable))
            return callable;
        if (PyMethod_Check(callable))
            callable = PyMethod_GET_FUNCTION(callable);
        else if (PyCFunction_Check(callable) || PyType_Check(callable))
            return NULL;
        else if (PyObject_TypeCheck(callable, partial_type)) {
            PyObject *func = PyObject_GetAttr(callable, str_func);
            if (!func) {
                PyErr_Clear();
                return NULL;
            }
            Py_DECREF(func); /* the partial keeps it */
            callable = func;
        } else {
            PyObject *method = _PyType_Lookup(Py_TYPE(callable), str_call);
            return method && PyFunction_Check(method) ? method : NULL;
        }
    }
}

/* 0, with TypeError set: calling it only makes a coroutine or a generator, and nothing of it would run. */
int func_runs(PyObject *func) {
    if (!PyCallable_Check(func)) {
        PyErr_Format(PyExc_TypeError, "a task needs a function to run, not %.100s", Py_TYPE(func)->tp_name);
        return 0;
    }
    PyObject *function = python_function(func);
    int flags = function ? ((PyCodeObject *)PyFunction_GET_CODE(function))->co_flags : 0;
    if (!(flags & (CO_GENERATOR | CO_COROUTINE | CO_ITERABLE_COROUTINE | CO_ASYNC_GENERATOR)))
        return 1;
    PyObject *name = ((PyFunctionObject *)function)->func_qualname;
    if (flags & (CO_COROUTINE | CO_ITERABLE_COROUTINE))
        PyErr_Format(PyExc_TypeError,
                     "a task needs a function, and %U is a coroutine function, which does not run when it is called: "
                     "write spawn(await_, %U(...)), with await_ from gleenlet.asyncio",
                     name, name);
    else if (flags & CO_ASYNC_GENERATOR)
        PyErr_Format(PyExc_TypeError,
                     "a task needs a function, and %U is an asynchronous generator function, which does not run when it "
                     "is called: iterate over it in a coroutine, and spawn(await_, ...) that, with await_ from "
                     "gleenlet.asyncio",
                     name);
    else
        PyErr_Format(PyExc_TypeError,
                     "a task needs a function, and %U is a generator function, which does not run when it is called: "
                     "leave out its yield (await_ from gleenlet.asyncio takes the place of `await`), or spawn a "
                     "function that iterates over it",
                     name);
    return 0;
}

PyObject *core_check_runs(PyObject *Py_UNUSED(module), PyObject *func) {
    return func_runs(func) ? Py_NewRef(Py_None) : NULL;
}

/* Its own name, for a task that has let go of it: a new str, or NULL with no exception set. */
PyObject *func_name(PyObject *func) {
    PyObject *name = NULL;
    if (PyFunction_Check(func))
        name = Py_NewRef(((PyFunctionObject *)func)->func_name);
    else if (PyMethod_Check(func) && PyFunction_Check(PyMethod_GET_FUNCTION(func)))
        name = Py_NewRef(((PyFunctionObject *)PyMethod_GET_FUNCTION(func))->func_name);
    else if (PyCFunction_CheckExact(func))
        name = PyUnicode_FromString(((PyCFunctionObject *)func)->m_ml->ml_name);
    else if (PyObject_GetOptionalAttr(func, str_name, &name) < 0)
        PyErr_Clear();
    if (name && !PyUnicode_CheckExact(name))
        Py_CLEAR(name);
    return name;
}
