/* What all files name: greenlet's functions, strings, and the errors that Python defines. */
#include "core.h"

void **greenlet_api;
PyObject *GleenletError, *QueueEmpty, *QueueFull, *QueueShutDown;

#define WORD(name, text) PyObject *name;
WORDS(WORD)
#undef WORD

int know_words(void) {
#define WORD(name, text) (name = PyUnicode_InternFromString(text)) &&
    return WORDS(WORD) 1 ? 0 : -1;
#undef WORD
}

int know_errors(void) {
    PyObject *errors = PyImport_ImportModule("gleenlet._core.errors");
    int known = errors && (GleenletError = PyObject_GetAttrString(errors, "GleenletError")) &&
                (QueueEmpty = PyObject_GetAttrString(errors, "QueueEmpty")) &&
                (QueueFull = PyObject_GetAttrString(errors, "QueueFull")) &&
                (QueueShutDown = PyObject_GetAttrString(errors, "QueueShutDown"));
    Py_XDECREF(errors);
    return known ? 0 : -1;
}
