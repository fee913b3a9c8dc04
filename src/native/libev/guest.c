/* What both halves keep, and what is asked of the one in Python. */
#include "guest.h"

Gevent gevent = {.guest.epoll = {-1, 1, 0}};

PyObject *ask(const char *method, PyObject *arg) { return PyObject_CallMethod(gevent.python, method, arg ? "O" : NULL, arg); }

void tell(const char *method) {
    PyObject *error = PyErr_Occurred() ? take_exception() : Py_NewRef(Py_None);
    PyObject *done = ask(method, error);
    if (!done)
        PyErr_Print(); /* SystemExit exits */
    Py_XDECREF(done);
    Py_DECREF(error);
}

void find_hub(Guest *guest) { /* made, but nothing has waited in it yet */
    PyObject *hub = ask("find_hub", NULL);
    if (!hub)
        PyErr_WriteUnraisable(NULL);
    else if (hub != Py_None && hub != (PyObject *)guest->hub) {
        Py_XSETREF(guest->hub, (PyGreenlet *)Py_NewRef(hub));
        guest->state = UNBORN;
    }
    Py_XDECREF(hub);
    guest->touched = 0;
}

int descends(PyGreenlet *greenlet, PyGreenlet *from) { /* steals `greenlet` */
    while (greenlet && greenlet != from) {
        PyGreenlet *parent = PyGreenlet_GET_PARENT(greenlet);
        Py_DECREF(greenlet);
        greenlet = parent;
    }
    Py_XDECREF(greenlet);
    return greenlet != NULL;
}
