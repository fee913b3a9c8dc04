/* Calls that come in: GDBus checks them against an interface, one Python function gets them as plain values. */
#include "gvariant.h"

typedef struct {
    PyObject_HEAD
    void *invocation;                       /* ours until it is answered, which GDBus takes it for; then NULL */
} Answer;

static void *take_invocation(Answer *answer) {
    void *invocation = answer->invocation;
    answer->invocation = NULL;
    if (!invocation)
        PyErr_SetString(PyExc_RuntimeError, "this call was answered before");
    return invocation;
}

static PyObject *answer_give(Answer *answer, PyObject *const *args, Py_ssize_t n) {
    PyObject *none = NULL;
    void *descriptors = NULL, *invocation = NULL;
    if (n != 2 && n != 3)
        return PyErr_Format(PyExc_TypeError, "give() takes a signature, values and fds");
    const char *signature = check_signature(args[0]);
    if (signature && *signature != '(')
        return PyErr_Format(PyExc_ValueError, "the signature of a reply is a struct's, '(%s)'", signature);
    GVariant *values = signature ? pack_message(signature, args[1]) : NULL;
    if (values && (n < 3 || !new_descriptors(args[2], &descriptors)) && (invocation = take_invocation(answer))) {
        Py_BEGIN_ALLOW_THREADS
        g.dbus_method_invocation_return_value_with_unix_fd_list(invocation, values, descriptors);
        Py_END_ALLOW_THREADS
        none = Py_NewRef(Py_None);
    } else if (values)
        g.variant_unref(values);
    if (descriptors)
        g.object_unref(descriptors);
    return none;
}

static PyObject *answer_refuse(Answer *answer, PyObject *args) {
    const char *name, *text;
    if (!PyArg_ParseTuple(args, "ss:refuse", &name, &text))
        return NULL;
    if (!g.dbus_is_interface_name(name))
        return PyErr_Format(PyExc_ValueError, "'%.100s' is not the name of a D-Bus error", name);
    void *invocation = take_invocation(answer);
    if (!invocation)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    g.dbus_method_invocation_return_dbus_error(invocation, name, text);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *answer_open(Answer *answer, void *Py_UNUSED(closure)) {
    return PyBool_FromLong(answer->invocation != NULL);
}

static void answer_dealloc(Answer *answer) {
    if (answer->invocation)
        g.object_unref(answer->invocation);
    PyObject_Free(answer);
}

static PyMethodDef answer_methods[] = {
    {"give", (PyCFunction)(void (*)(void))answer_give, METH_FASTCALL,
     "Reply; the descriptors are copied. Nothing is sent if the values do not fit the signature."},
    {"refuse", (PyCFunction)answer_refuse, METH_VARARGS, "Reply with an error's name and text."},
    {NULL}};

static PyGetSetDef answer_getset[] = {{"open", (getter)answer_open, NULL, "It is still wanted.", NULL}, {NULL}};

PyTypeObject AnswerType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet.dbus._gvariant.Answer",
    .tp_doc = "The answer that a call still wants: one of give() and refuse(), once.",
    .tp_basicsize = sizeof(Answer),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = (destructor)answer_dealloc,
    .tp_methods = answer_methods,
    .tp_getset = answer_getset,
};

/* ---- what GDBus calls ---- */

static PyObject *hand_over(PyObject *on_call, const char *sender, const char *interface, const char *member,
                           GVariant *parameters, Answer *answer) {
    void *message = g.dbus_method_invocation_get_message(answer->invocation);
    PyObject *args[] = {
        sender ? PyUnicode_FromString(sender) : Py_NewRef(Py_None),
        PyUnicode_FromString(interface),
        PyUnicode_FromString(member),
        unpack_value(parameters, 0),
        take_descriptors(g.dbus_message_get_unix_fd_list(message)),
        PyLong_FromLong(g.dbus_message_get_flags(message)),
        Py_NewRef((PyObject *)answer),
    };
    enum { N = sizeof args / sizeof *args };
    int made = 1;
    for (int i = 0; i < N; i++)
        made &= args[i] != NULL;
    PyObject *result = made ? PyObject_Vectorcall(on_call, args, N, NULL) : NULL;
    for (int i = 0; i < N; i++)
        Py_XDECREF(args[i]);
    return result;
}

static void called(void *Py_UNUSED(connection), const char *sender, const char *Py_UNUSED(path), const char *interface,
                   const char *member, GVariant *parameters, void *invocation, void *on_call) {
    PyGILState_STATE gil = PyGILState_Ensure();
    Answer *answer = PyObject_New(Answer, &AnswerType);
    PyObject *result = NULL;
    if (answer) {
        answer->invocation = invocation;
        result = hand_over(on_call, sender, interface, member, parameters, answer);
    } else
        g.object_unref(invocation);
    if (!result)
        PyErr_WriteUnraisable(on_call);
    Py_XDECREF(result);
    Py_XDECREF(answer);
    PyGILState_Release(gil);
}

static PyObject *forgotten; /* what `forget` dropped last: to compare with, it may be gone */

static void forget(void *on_call) { /* the object is not registered any more */
    PyGILState_STATE gil = PyGILState_Ensure();
    forgotten = on_call;
    Py_DECREF((PyObject *)on_call);
    PyGILState_Release(gil);
}

static const struct { /* GDBusInterfaceVTable. Without functions for properties, calls of theirs come to `called` too. */
    void (*method_call)(void *, const char *, const char *, const char *, const char *, GVariant *, void *, void *);
    void *get_property, *set_property, *padding[8];
} calls = {.method_call = called};

const char register_doc[] = "register(connection, path, info, on_call) -> int\n"
                            "Have on_call(sender, interface, member, args, fds, flags, answer) called.";

PyObject *register_object(PyObject *Py_UNUSED(module), PyObject *args) {
    const char *path;
    PyObject *connection_wrapper, *info_wrapper, *on_call;
    if (!PyArg_ParseTuple(args, "OsOO:register", &connection_wrapper, &path, &info_wrapper, &on_call))
        return NULL;
    if (!g.variant_is_object_path(path))
        return PyErr_Format(PyExc_ValueError, "'%.100s' is not a D-Bus object path", path);
    void *connection = open_connection(connection_wrapper);
    void *info = connection ? open_interface(info_wrapper) : NULL;
    GError *error = NULL;
    unsigned id = 0;
    if (info) {
        /* Who drops `on_call` if this fails depends on GLib: older ones leave it to us, 2.90 calls `forget`. */
        forgotten = NULL;
        Py_INCREF(on_call);
        id = g.dbus_connection_register_object(connection, path, info, &calls, on_call, forget, &error);
        if (!id && forgotten != on_call)
            Py_DECREF(on_call);
        g.dbus_interface_info_unref(info);
    }
    if (connection)
        g.object_unref(connection);
    return error ? raise_error(error) : info ? PyLong_FromUnsignedLong(id) : NULL;
}
