/* gevent's methods that are replaced: Hub.switch and loop.timer. Each place is tried before it is relied on. */
#include "guest.h"

static PyObject *hub_switch(PyObject *self, PyObject *Py_UNUSED(ignored)) { return switch_hub(self, 1); }

/* A timer counts from libev's notion of now, which is stale while anything but libev has run: refresh it first. */
static PyObject *loop_timer(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *keywords) {
    Guest *guest = &gevent.guest;
    PyObject *all[8];
    Py_ssize_t count = n + (keywords ? PyTuple_GET_SIZE(keywords) : 0);
    if (self == guest->loop) {
        gevent.now_update(guest->ev_loop);
        guest->touched = 1;
    }
    if (count > 7)
        return PyErr_Format(PyExc_TypeError, "at most 4 arguments are taken, not %zd", count);
    all[0] = self;
    memcpy(all + 1, args, count * sizeof *all);
    return PyObject_Vectorcall(gevent.timer, all, n + 1, keywords);
}

static PyMethodDef overrides[] = {
    {"switch", hub_switch, METH_NOARGS, "Let the hub run until it switches back."},
    {"timer", (PyCFunction)(void (*)(void))loop_timer, METH_FASTCALL | METH_KEYWORDS,
     "timer(after, repeat=0.0, ref=True, priority=None) -> timer watcher"}};

PyObject *find_head(PyObject *Py_UNUSED(module), PyObject *args) { /* find_head(queue, its only callback) */
    PyObject *queue, *callback;
    if (!PyArg_ParseTuple(args, "OO", &queue, &callback))
        return NULL;
    for (Py_ssize_t i = sizeof(PyObject); i + (Py_ssize_t)sizeof(void *) <= Py_TYPE(queue)->tp_basicsize;
         i += sizeof(void *))
        if (*(PyObject **)((char *)queue + i) == callback)
            return PyLong_FromSsize_t(gevent.head = i);
    return PyErr_Format(PyExc_ImportError, "gevent's queue of callbacks is not laid out as expected");
}

PyObject *use_method(PyObject *Py_UNUSED(module), PyObject *args) { /* use_method(class, name) */
    PyTypeObject *type;
    const char *name;
    PyMethodDef *def = overrides;
    if (!PyArg_ParseTuple(args, "O!s", &PyType_Type, &type, &name))
        return NULL;
    while (strcmp(def->ml_name, name))
        def++;
    PyObject *method = PyDescr_NewMethod(type, def);
    int failed = !method || PyObject_SetAttrString((PyObject *)type, name, method) < 0;
    Py_XDECREF(method);
    return failed ? NULL : Py_NewRef(Py_None);
}

/* Compiled code calls hub.switch() through a table of C functions that belongs to the class. An override in Python costs it
 * a look-up a call; our function in the table costs nothing. Used only if a trial call shows that it is the right slot. */
PyObject *use_slot(PyObject *Py_UNUSED(module), PyObject *args) { /* use_slot(hub, offset, capsule, waiter.get) */
    PyObject *hub, *capsule, *call;
    Py_ssize_t offset;
    if (!PyArg_ParseTuple(args, "OnOO", &hub, &offset, &capsule, &call))
        return NULL;
    void **table = PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule));
    if (!table)
        return NULL;
    if (offset + (Py_ssize_t)sizeof(void *) > Py_TYPE(hub)->tp_basicsize || *(void ***)((char *)hub + offset) != table)
        Py_RETURN_FALSE;
    gevent.cython_switch = (PyObject * (*)(PyObject *, int)) table[0];
    table[0] = (void *)switch_hub;
    gevent.trial = 1;
    PyObject *result = PyObject_CallNoArgs(call);
    int right = gevent.trial == 3;
    gevent.trial = 0;
    if (!right)
        table[0] = (void *)gevent.cython_switch;
    Py_XDECREF(result);
    return result ? PyBool_FromLong(right) : NULL;
}
