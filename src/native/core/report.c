/* What went wrong: said to who calls, or reported where nobody waits for it. */
#include "core.h"

void forget_result(PyObject *result, PyObject *whose) { /* steals; of a call: NULL is written to stderr */
    if (!result)
        PyErr_WriteUnraisable(whose);
    Py_XDECREF(result);
}

void report(Hub *hub, PyObject *what) { /* the current exception, which nobody waits for */
    PyObject *exception = take_exception();
    forget_result(PyObject_CallMethodObjArgs((PyObject *)hub, str_report, exception, what, NULL), what);
    Py_XDECREF(exception);
}

void report_failed(Hub *hub, PyObject *result, PyObject *what) { /* steals; of a call: NULL is told */
    if (!result)
        report(hub, what);
    Py_XDECREF(result);
}

int not_here(Hub *hub) { /* 0, with the reason set */
    if (!hub->floor)
        PyErr_SetString(GleenletError, "this hub was not initialized: hubs are made by get_hub()");
    else if (!hub->open)
        PyErr_SetString(GleenletError, "this hub is closed: its thread or its context has ended, or the interpreter "
                                       "is about to");
    else
        PyErr_SetString(GleenletError, "this hub belongs to another thread: "
                                       "use Hub.call_soon_threadsafe() or from_thread() to enter it from here");
    return 0;
}

PyObject *as_exception(PyObject *exception) { /* a new reference to an instance, or NULL with TypeError */
    if (PyExceptionInstance_Check(exception))
        return Py_NewRef(exception);
    if (PyExceptionClass_Check(exception))
        return PyObject_CallNoArgs(exception);
    return PyErr_Format(PyExc_TypeError, "an exception is needed, not %.100s", Py_TYPE(exception)->tp_name);
}
