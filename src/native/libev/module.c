/* The module gleenlet.gevent._libev: what _guest.py calls, and what is called there. */
#include "guest.h"

#include <dlfcn.h>

void **greenlet_api; /* this module's own: it is no part of _core */
PyObject *str_switch_out;
Gevent gevent;
Stack stack;
Turn turn;

void tell(const char *method) {
    PyObject *error = PyErr_Occurred() ? take_exception() : Py_NewRef(Py_None);
    PyObject *done = PyObject_CallMethod(gevent.module, method, "O", error);
    if (!done)
        PyErr_Print(); /* SystemExit exits */
    Py_XDECREF(done);
    Py_DECREF(error);
}

PyObject *ask(const char *method) { return PyObject_CallMethod(gevent.module, method, NULL); }

/* ---- the core's neighbour ---- */

static int is_ours(void) { /* a greenlet of gevent's that the hub has resumed? */
    return gevent.hub && stack.home && !stack.plain && PyThreadState_Get() == stack.thread &&
           descends(PyGreenlet_GetCurrent(), gevent.hub);
}

static int wait_in_gevent(Observer *Py_UNUSED(self), Waiter *waiter) {
    PyObject *done = is_ours() ? PyObject_CallMethod(gevent.module, "wait_in_gevent", "O", waiter) : Py_NewRef(Py_False);
    int result = !done ? -1 : done != Py_False;
    Py_XDECREF(done);
    return result;
}

static void wake_in_gevent(Observer *Py_UNUSED(self), Waiter *waiter) {
    PyObject *done = PyObject_CallMethod(gevent.module, "woken", "O", waiter);
    if (!done)
        PyErr_WriteUnraisable((PyObject *)waiter);
    Py_XDECREF(done);
}

static void drop(Observer *observer) { Py_CLEAR(observer->self); }

static Observer neighbour = {.block = wait_in_gevent, .wake = wake_in_gevent, .drop = drop};

static PyObject *join(PyObject *Py_UNUSED(module), PyObject *hub) { /* join(hub): it begins to run */
    if (!stack.core) {
        PyErr_SetString(PyExc_RuntimeError, "gevent is not installed into GLib's loop");
        return NULL;
    }
    remove_observer(stack.core, &neighbour);
    neighbour.self = Py_NewRef(hub);
    add_observer(stack.core, &neighbour);
    Py_RETURN_NONE;
}

/* Made in a task, or in any greenlet, it is that one's child, and with it all of gevent's: they would work for the task, be
 * cancelled with it, and end with it. It is the thread's. */
static int adopt(PyGreenlet *hub) {
    PyGreenlet *first = (PyGreenlet *)Py_NewRef(hub), *parent;
    while ((parent = PyGreenlet_GET_PARENT(first))) {
        Py_DECREF(first);
        first = parent;
    }
    int failed = first != hub && PyGreenlet_SetParent(hub, first);
    Py_DECREF(first);
    return failed;
}

void find_hub(void) { /* made, but nothing has waited in it yet */
    PyObject *hub = PyObject_CallMethod(gevent.module, "find_hub", NULL);
    if (!hub)
        PyErr_WriteUnraisable(NULL);
    else if (hub != Py_None && hub != (PyObject *)gevent.hub) {
        Py_XSETREF(gevent.hub, (PyGreenlet *)Py_NewRef(hub));
        turn.state = UNBORN;
        if (adopt(gevent.hub))
            PyErr_WriteUnraisable(hub);
    }
    Py_XDECREF(hub);
    turn.touched = 0;
}

static PyObject *setup(PyObject *Py_UNUSED(module), PyObject *args) { /* setup(path of corecext, _guest.py, its loop) */
    const char *path;
    PyObject *python, *loop;
    if (!PyArg_ParseTuple(args, "sOO", &path, &python, &loop))
        return NULL;
    void *library = dlopen(path, RTLD_NOLOAD | RTLD_NOW), *run = library ? dlsym(library, "ev_run") : NULL;
    gevent.now_update = (void (*)(void *))(library ? dlsym(library, "ev_now_update") : NULL);
    if (!run || !gevent.now_update)
        return PyErr_Format(PyExc_ImportError,
                            "this gevent was built without libev's symbols (no ev_run in %s): "
                            "gleenlet.gevent needs gevent from PyPI or from Debian",
                            path);
    if (!redirect(run, "epoll_wait", guest_epoll_wait))
        return PyErr_Format(PyExc_ImportError, "this gevent's libev (%s) does not wait with epoll_wait", path);
    Py_XSETREF(gevent.module, Py_NewRef(python));
    Py_XSETREF(gevent.timer, PyObject_GetAttrString(loop, "timer"));
    Py_XSETREF(gevent.io, PyObject_GetAttrString(loop, "io"));
    return gevent.timer && gevent.io ? Py_NewRef(Py_None) : NULL;
}

static PyObject *attach(PyObject *Py_UNUSED(module), PyObject *args) { /* attach(loop, ptr, queue, core) */
    PyObject *loop, *queue, *core;
    Py_ssize_t pointer;
    if (!PyArg_ParseTuple(args, "OnOO", &loop, &pointer, &queue, &core))
        return NULL;
    if (stack.core)
        remove_observer(stack.core, &neighbour);
    Py_CLEAR(gevent.hub);
    Py_XSETREF(gevent.loop, Py_NewRef(loop));
    Py_XSETREF(gevent.callbacks, Py_NewRef(queue));
    gevent.ev_loop = (void *)pointer;
    Py_XSETREF(stack.core, (Hub *)Py_NewRef(core));
    stack.thread = PyThreadState_Get();
    turn.state = UNBORN;
    stack.plain = turn.touched = turn.yielded = 0;
    attach_sources();
    Py_RETURN_NONE;
}

static PyObject *release(PyObject *Py_UNUSED(module), PyObject *hub_only) {
    if (stack.core)
        remove_observer(stack.core, &neighbour);
    Py_CLEAR(gevent.hub);
    turn.state = UNBORN;
    turn.yielded = 0;
    if (!PyObject_IsTrue(hub_only)) {
        Py_CLEAR(gevent.loop);
        Py_CLEAR(gevent.callbacks);
        poll_epoll(-1);
    }
    Py_RETURN_NONE;
}

static PyObject *forked(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    stack.plain = 1;
    Py_RETURN_NONE;
}

static PyObject *touch(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    turn.touched = 1;
    Py_RETURN_NONE;
}

static PyObject *is_parked(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return PyBool_FromLong(turn.state == PARKED && !stack.plain && PyThreadState_Get() == stack.thread);
}

static PyObject *tasks(PyObject *Py_UNUSED(module), PyObject *change) {
    turn.tasks += PyLong_AsLong(change);
    Py_RETURN_NONE;
}

static PyObject *polls(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return PyLong_FromUnsignedLong(turn.polls);
}

static PyObject *waits(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return PyLong_FromUnsignedLong(turn.waits);
}

static PyMethodDef methods[] = {
    {"setup", setup, METH_VARARGS, NULL},
    {"find_head", find_head, METH_VARARGS, NULL},
    {"attach", attach, METH_VARARGS, NULL},
    {"join", join, METH_O, NULL},
    {"release", release, METH_O, NULL},
    {"forked", forked, METH_NOARGS, NULL},
    {"touch", touch, METH_NOARGS, NULL},
    {"is_parked", is_parked, METH_NOARGS, NULL},
    {"tasks", tasks, METH_O, NULL},
    {"polls", polls, METH_NOARGS, NULL},
    {"waits", waits, METH_NOARGS, NULL},
    {"glib_alive", glib_alive, METH_NOARGS, NULL},
    {"use_method", use_method, METH_VARARGS, NULL},
    {"use_slot", use_slot, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL}};

static PyModuleDef module_def = {PyModuleDef_HEAD_INIT, "_libev", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__libev(void) {
    if (load_glib())
        return NULL;
    PyGreenlet_Import();
    if (!_PyGreenlet_API || !(str_switch_out = PyUnicode_InternFromString("switch_out")) ||
        !(stack.token = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type)))
        return NULL;
    return PyModule_Create(&module_def);
}
