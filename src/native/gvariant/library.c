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

/* A reference to what the wrapper is of, or NULL and a TypeError: it is of no such type. */
static void *open_wrapper(PyObject *wrapper, size_t type, const char *name, void *(*dup)(const GValue *)) {
    GValue value = {0};
    g.value_init(&value, type);
    int wrong = wrapper == Py_None || pygobject->value_from_pyobject(&value, wrapper);
    void *opened = wrong ? NULL : dup(&value);
    g.value_unset(&value);
    if (wrong)
        PyErr_Format(PyExc_TypeError, "a %s is needed, not %.100s", name, Py_TYPE(wrapper)->tp_name);
    return opened;
}

GVariant *open_variant(PyObject *wrapper) {
    return open_wrapper(wrapper, TYPE_VARIANT, "GLib.Variant", g.value_dup_variant);
}

void *open_connection(PyObject *wrapper) {
    return open_wrapper(wrapper, g.dbus_connection_get_type(), "Gio.DBusConnection", g.value_dup_object);
}

void *open_interface(PyObject *wrapper) {
    return open_wrapper(wrapper, g.dbus_interface_info_get_type(), "Gio.DBusInterfaceInfo", g.value_dup_boxed);
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
