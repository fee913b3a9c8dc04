/* Where in the arguments an error is: "argument 2, item 3, value of 'size': ...". Built only when there is one. */
#include "gvariant.h"

static PyObject *describe(const Place *place) { /* "" for none */
    if (!place)
        return PyUnicode_FromString("");
    PyObject *outer = describe(place->outer);
    if (!outer)
        return outer;
    const char *comma = PyUnicode_GET_LENGTH(outer) ? ", " : "";
    PyObject *text = place->kind == ARGUMENT ? PyUnicode_FromFormat("%U%sargument %zd", outer, comma, place->number)
                     : place->kind == ITEM   ? PyUnicode_FromFormat("%U%sitem %zd", outer, comma, place->number)
                     : place->kind == KEY    ? PyUnicode_FromFormat("%U%skey %.80R", outer, comma, place->key)
                                             : PyUnicode_FromFormat("%U%svalue of %.80R", outer, comma, place->key);
    Py_DECREF(outer);
    return text;
}

void *fail_at(const Place *place, PyObject *exception, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    PyObject *what = PyUnicode_FromFormatV(format, arguments);
    va_end(arguments);
    PyObject *where = what ? describe(place) : NULL;
    if (where)
        PyErr_Format(exception, "%U%s%U", where, PyUnicode_GET_LENGTH(where) ? ": " : "", what);
    Py_XDECREF(where);
    Py_XDECREF(what);
    return NULL;
}
