/* What Python sees: pack and unpack. */
#include "gvariant.h"

static PyObject *module_pack(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t n) {
    if (n != 2)
        return PyErr_Format(PyExc_TypeError, "pack() takes a signature and a value");
    const char *type = check_signature(args[0]);
    GVariant *variant = type ? pack_value(type, args[1], NULL, 0) : NULL;
    return variant ? wrap_variant(variant) : NULL;
}

static PyObject *module_unpack(PyObject *Py_UNUSED(module), PyObject *wrapper) {
    GVariant *variant = open_variant(wrapper);
    PyObject *value = variant ? unpack_value(variant, 0) : NULL;
    if (variant)
        g.variant_unref(variant);
    return value;
}

static PyMethodDef methods[] = {
    {"pack", (PyCFunction)(void (*)(void))module_pack, METH_FASTCALL, "A value of one D-Bus type as a GLib.Variant."},
    {"unpack", module_unpack, METH_O, "What a GLib.Variant holds."},
    {NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "gleenlet.dbus._gvariant", .m_doc = "See gvariant.h.", .m_size = -1,
    .m_methods = methods};

PyMODINIT_FUNC PyInit__gvariant(void) { return load_library() ? NULL : PyModule_Create(&definition); }
