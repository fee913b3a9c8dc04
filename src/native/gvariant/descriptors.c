/* Descriptors that go with a message, and those that come with one. Each is closed exactly once: a copy that was sent by
 * GLib, one that has come by whoever took it. */
#include "gvariant.h"
#include <unistd.h>

int new_descriptors(PyObject *fds, void **list) { /* NULL for none; GLib copies each. -1 and an exception */
    GError *error = NULL;
    *list = NULL;
    if (!PyTuple_Check(fds) && !PyList_Check(fds)) {
        PyErr_Format(PyExc_TypeError, "fds are a tuple or list, not %.100s", Py_TYPE(fds)->tp_name);
        return -1;
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(fds); i++) {
        PyObject *file = Py_NewRef(PySequence_Fast_GET_ITEM(fds, i));
        int fd = PyObject_AsFileDescriptor(file);
        Py_DECREF(file);
        if (!*list)
            *list = g.unix_fd_list_new();
        if (fd < 0 || g.unix_fd_list_append(*list, fd, &error) < 0) {
            if (error)
                raise_error(error);
            g.object_unref(*list);
            *list = NULL;
            return -1;
        }
    }
    return 0;
}

PyObject *take_descriptors(void *list) { /* of ints, which are whoever's that has them; `list` may be NULL */
    int n = 0;
    int *fds = list ? g.unix_fd_list_steal_fds(list, &n) : NULL;
    PyObject *result = PyList_New(n);
    for (int i = 0; i < n; i++) {
        PyObject *fd = result ? PyLong_FromLong(fds[i]) : NULL;
        if (fd)
            PyList_SET_ITEM(result, i, fd);
        else
            close(fds[i]);
    }
    g.free(fds);
    return result;
}
