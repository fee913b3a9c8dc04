/* The module gleenlet.gevent._libev: what _guest.py calls. */
#include "guest.h"

#include <dlfcn.h>

void **greenlet_api; /* this module's own: it is no part of _core */

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
    Py_XSETREF(gevent.python, Py_NewRef(python));
    Py_XSETREF(gevent.timer, PyObject_GetAttrString(loop, "timer"));
    return gevent.timer ? Py_NewRef(Py_None) : NULL;
}

/* ---- the core's neighbour ---- */

static int wait_in_gevent(Observer *observer, Waiter *waiter) {
    Guest *guest = (Guest *)observer;
    if (!guest->hub || !guest->home || guest->plain || PyThreadState_Get() != guest->thread ||
        !descends(PyGreenlet_GetCurrent(), guest->hub)) /* none of gevent's that the hub has resumed */
        return 0;
    PyObject *done = ask("wait_in_gevent", (PyObject *)waiter);
    Py_XDECREF(done);
    return done ? 1 : -1;
}

static void wake_in_gevent(Observer *Py_UNUSED(observer), Waiter *waiter) {
    PyObject *done = ask("woken", (PyObject *)waiter);
    if (!done)
        PyErr_WriteUnraisable((PyObject *)waiter);
    Py_XDECREF(done);
}

static void drop(Observer *observer) { Py_CLEAR(observer->self); }

static PyObject *join(PyObject *Py_UNUSED(module), PyObject *hub) { /* join(hub): it begins to run */
    Guest *guest = &gevent.guest;
    remove_observer(guest->core, &guest->seam);
    guest->seam = (Observer){.block = wait_in_gevent, .wake = wake_in_gevent, .drop = drop, .self = Py_NewRef(hub)};
    add_observer(guest->core, &guest->seam);
    Py_RETURN_NONE;
}

static void part(Guest *guest) { /* the hub runs no more */
    if (guest->core)
        remove_observer(guest->core, &guest->seam);
    Py_CLEAR(guest->hub);
    guest->state = UNBORN;
    guest->yielded = 0;
}

/* ---- from one loop's beginning to its end ---- */

static PyObject *attach(PyObject *Py_UNUSED(module), PyObject *args) { /* attach(loop, ptr, queue, core) */
    Guest *guest = &gevent.guest;
    PyObject *loop, *queue, *core;
    Py_ssize_t pointer;
    if (!PyArg_ParseTuple(args, "OnOO", &loop, &pointer, &queue, &core))
        return NULL;
    part(guest);
    Py_XSETREF(guest->loop, Py_NewRef(loop));
    Py_XSETREF(guest->callbacks, Py_NewRef(queue));
    guest->ev_loop = (void *)pointer;
    Py_XSETREF(guest->core, (Hub *)Py_NewRef(core));
    guest->thread = PyThreadState_Get();
    guest->plain = guest->touched = 0;
    attach_sources(guest);
    Py_RETURN_NONE;
}

static PyObject *release(PyObject *Py_UNUSED(module), PyObject *hub_only) {
    Guest *guest = &gevent.guest;
    part(guest);
    if (!PyObject_IsTrue(hub_only)) {
        Py_CLEAR(guest->loop);
        Py_CLEAR(guest->callbacks);
        poll_epoll(guest, -1);
    }
    Py_RETURN_NONE;
}

static PyObject *forked(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    gevent.guest.plain = 1;
    Py_RETURN_NONE;
}

static PyObject *touch(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    gevent.guest.touched = 1;
    Py_RETURN_NONE;
}

static PyObject *is_parked(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    Guest *guest = &gevent.guest;
    return PyBool_FromLong(guest->state == PARKED && !guest->plain && PyThreadState_Get() == guest->thread);
}

static PyObject *polls(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return PyLong_FromUnsignedLong(gevent.guest.polls);
}

static PyObject *waits(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return PyLong_FromUnsignedLong(gevent.waits);
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
    if (!_PyGreenlet_API || !(gevent.switch_out = PyUnicode_InternFromString("switch_out")) ||
        !(gevent.token = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type)))
        return NULL;
    return PyModule_Create(&module_def);
}
