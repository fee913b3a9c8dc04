/* A D-Bus call: GDBus sends it and tells of its reply in C; nothing of it goes through PyGObject. */
#include "gvariant.h"
#include <string.h>

#define NO_TIMEOUT INT32_MAX                /* G_MAXINT is GDBus's word for none */

PyObject *str_wake;

typedef struct {
    PyObject_HEAD
    PyObject *waiter;                       /* whom the answer wakes; NULL: nobody waits any more, or it is answered */
    void *cancellable;                      /* NULL once it is answered */
    GVariant *reply;                        /* the answer: this, with the descriptors that came with it, ... */
    void *descriptors;
    GError *error;                          /* ... or this */
} Call;

static void answer(Call *call, GVariant *reply, void *descriptors, GError *error) { /* steals all */
    PyObject *waiter = call->waiter;
    void *cancellable = call->cancellable;
    call->waiter = NULL;
    call->cancellable = NULL;
    call->reply = reply;
    call->descriptors = descriptors;
    call->error = error;
    g.object_unref(cancellable);
    PyObject *woken = waiter ? PyObject_CallMethodNoArgs(waiter, str_wake) : Py_NewRef(Py_None);
    if (!woken)
        PyErr_WriteUnraisable(waiter); /* its thread's loop has ended, or another thread runs its context */
    Py_XDECREF(woken);
    Py_XDECREF(waiter);
}

static void answered(void *connection, void *result, void *data) { /* GAsyncReadyCallback */
    void *descriptors = NULL;
    GError *error = NULL;
    GVariant *reply = g.dbus_connection_call_with_unix_fd_list_finish(connection, &descriptors, result, &error);
    PyGILState_STATE gil = PyGILState_Ensure();
    answer(data, reply, descriptors, error);
    Py_DECREF((PyObject *)data);
    PyGILState_Release(gil);
}

/* ---- start ---- */

static int read_name(PyObject *value, const char *what, int (*is_right)(const char *), const char **text) {
    Py_ssize_t size = 0;
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s is a str, not %.100s", what, Py_TYPE(value)->tp_name);
        return -1;
    }
    if (!(*text = PyUnicode_AsUTF8AndSize(value, &size)))
        return -1;
    if (is_right(*text) && strlen(*text) == (size_t)size)
        return 0;
    PyErr_Format(PyExc_ValueError, "%.100R is not a D-Bus %s", value, what);
    return -1;
}

const char start_doc[] = "start(waiter, connection, name, path, interface, member, signature, args, reply, flags, fds) -> Call\n"
                         "Send a call; its answer, which the Call holds, wakes the waiter.";

PyObject *start_call(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t n) {
    const char *name = NULL, *path, *interface, *member, *reply = NULL;
    if (n != 11)
        return PyErr_Format(PyExc_TypeError, "start() takes 11 arguments, not %zd", n);
    const char *signature = check_signature(args[6]);
    if (!signature || (args[8] != Py_None && !(reply = check_signature(args[8]))) ||
        (args[2] != Py_None && /* None: a connection without a bus */
         read_name(args[2], "bus name", g.dbus_is_name, &name)) ||
        read_name(args[3], "object path", g.variant_is_object_path, &path) ||
        read_name(args[4], "interface name", g.dbus_is_interface_name, &interface) ||
        read_name(args[5], "member name", g.dbus_is_member_name, &member))
        return NULL;
    if (*signature != '(')
        return PyErr_Format(PyExc_ValueError, "the signature of a call is a struct's, '(%s)'", signature);
    long flags = PyLong_AsLong(args[9]);
    if (flags == -1 && PyErr_Occurred())
        return NULL;

    GVariant *parameters = NULL;
    Call *call = NULL;
    void *connection = open_connection(args[1]);
    void *descriptors = NULL;
    if (connection && !new_descriptors(args[10], &descriptors) && (parameters = pack_message(signature, args[7])) &&
        (call = (Call *)CallType.tp_alloc(&CallType, 0))) {
        call->waiter = Py_NewRef(args[0]);
        call->cancellable = g.cancellable_new();
        Py_INCREF(call); /* GDBus's */
        Py_BEGIN_ALLOW_THREADS
        g.dbus_connection_call_with_unix_fd_list(connection, name, path, interface, member, parameters, reply, (int)flags,
                                                 NO_TIMEOUT, descriptors, call->cancellable, answered, call);
        Py_END_ALLOW_THREADS
    } else if (parameters)
        g.variant_unref(parameters);
    if (descriptors)
        g.object_unref(descriptors);
    if (connection)
        g.object_unref(connection);
    return (PyObject *)call;
}

/* ---- Call ---- */

static PyObject *call_result(Call *call, PyObject *Py_UNUSED(ignored)) {
    GError *error = call->error;
    GVariant *reply = call->reply;
    call->error = NULL;
    call->reply = NULL;
    if (error)
        return raise_error(error);
    if (!reply)
        return PyErr_Format(PyExc_RuntimeError, "this call is not yet answered, or its result was taken");
    PyObject *values = unpack_value(reply, 0);
    g.variant_unref(reply);
    PyObject *descriptors = values ? take_descriptors(call->descriptors) : NULL;
    PyObject *result = descriptors ? PyTuple_Pack(2, values, descriptors) : NULL;
    Py_XDECREF(descriptors);
    Py_XDECREF(values);
    return result;
}

static PyObject *call_cancel(Call *call, PyObject *Py_UNUSED(ignored)) {
    void *cancellable = call->cancellable;
    Py_CLEAR(call->waiter);
    if (cancellable) {
        g.object_ref(cancellable);
        Py_BEGIN_ALLOW_THREADS
        g.cancellable_cancel(cancellable);
        g.object_unref(cancellable);
        Py_END_ALLOW_THREADS
    }
    Py_RETURN_NONE;
}

static void call_dealloc(Call *call) {
    Py_XDECREF(call->waiter);
    if (call->cancellable)
        g.object_unref(call->cancellable);
    if (call->reply)
        g.variant_unref(call->reply);
    if (call->descriptors)
        g.object_unref(call->descriptors); /* closes those that nobody took */
    if (call->error)
        g.error_free(call->error);
    PyObject_Free(call);
}

static PyMethodDef call_methods[] = {
    {"result", (PyCFunction)call_result, METH_NOARGS,
     "The reply's values and a list of its descriptors, which are the caller's now, or the GLib.Error; once."},
    {"cancel", (PyCFunction)call_cancel, METH_NOARGS, "Nobody waits any more: wake nobody, and drop what comes."},
    {NULL}};

PyTypeObject CallType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet.dbus._gvariant.Call",
    .tp_doc = "A call that was sent.",
    .tp_basicsize = sizeof(Call),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = (destructor)call_dealloc,
    .tp_methods = call_methods,
};
