/* GLib's functions, and PyGObject's own from its C API. No headers of either are needed to build. */
#include "gvariant.h"

Functions g;
PyTypeObject *VariantType;

/* The head of struct _PyGObject_Functions (pygobject.h): a table that has only ever grown at its end. */
typedef struct {
    void *before[12];
    int (*value_from_pyobject)(GValue *, PyObject *);
    PyObject *(*value_as_pyobject)(const GValue *, int copy_boxed);
    void *between[10];
    int (*error_check)(GError **);
} PyGObjectFunctions;

static PyGObjectFunctions *pygobject;

int load_library(void) {
    static const char *const names[] = {GLIB_FUNCTIONS(FUNCTION_NAME) GOBJECT_FUNCTIONS(FUNCTION_NAME)
                                            GIO_FUNCTIONS(FUNCTION_NAME)};
    if (load_functions((void **)&g, names, sizeof names / sizeof *names))
        return -1;
    PyObject *capsule = import_from("gi._gobject", "_PyGObject_API");
    pygobject = capsule ? PyCapsule_GetPointer(capsule, "gobject._PyGObject_API") : NULL;
    Py_XDECREF(capsule);
    VariantType = pygobject ? (PyTypeObject *)import_from("gi.repository.GLib", "Variant") : NULL;
    return VariantType && PyType_Check(VariantType) ? 0 : -1;
}

/* `value` holds what the wrapper is of; whoever calls unsets it. -1 and a TypeError: it is of no such type. */
static int open_wrapper(PyObject *wrapper, GValue *value, size_t type, const char *name) {
    g.value_init(value, type);
    if (wrapper != Py_None && !pygobject->value_from_pyobject(value, wrapper))
        return 0;
    g.value_unset(value);
    PyErr_Format(PyExc_TypeError, "a %s is needed, not %.100s", name, Py_TYPE(wrapper)->tp_name);
    return -1;
}

GVariant *open_variant(PyObject *wrapper) {
    GValue value = {0};
    if (open_wrapper(wrapper, &value, TYPE_VARIANT, "GLib.Variant"))
        return NULL;
    GVariant *variant = g.value_dup_variant(&value);
    g.value_unset(&value);
    return variant;
}

void *open_connection(PyObject *wrapper) {
    GValue value = {0};
    if (open_wrapper(wrapper, &value, g.dbus_connection_get_type(), "Gio.DBusConnection"))
        return NULL;
    void *connection = g.value_dup_object(&value);
    g.value_unset(&value);
    return connection;
}

void *open_interface(PyObject *wrapper) {
    GValue value = {0};
    if (open_wrapper(wrapper, &value, g.dbus_interface_info_get_type(), "Gio.DBusInterfaceInfo"))
        return NULL;
    void *interface = g.value_dup_boxed(&value);
    g.value_unset(&value);
    return interface;
}

PyObject *raise_error(GError *error) {
    pygobject->error_check(&error);
    return NULL;
}

PyObject *wrap_variant(GVariant *variant) {
    GValue value = {0};
    g.value_init(&value, TYPE_VARIANT);
    g.value_set_variant(&value, variant);
    PyObject *wrapper = pygobject->value_as_pyobject(&value, 1);
    g.value_unset(&value);
    return wrapper;
}
