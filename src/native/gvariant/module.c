/* What Python sees: pack and unpack, start and its Call, register and its Answers. */
#include "gvariant.h"

static PyObject *module_pack(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t n) {
    if (n != 2)
        return PyErr_Format(PyExc_TypeError, "pack() takes a signature and a value");
    const char *type = check_signature(args[0]);
    GVariant *variant = type ? pack_message(type, args[1]) : NULL;
    return variant ? wrap_variant(variant) : NULL;
}

static PyObject *module_unpack(PyObject *Py_UNUSED(module), PyObject *wrapper) {
    GVariant *variant = open_variant(wrapper);
    PyObject *value = variant ? unpack_value(variant, 0) : NULL;
    if (variant)
        g.variant_unref(variant);
    return value;
}

static PyObject *module_fail(PyObject *Py_UNUSED(module), PyObject *args) {
    const char *domain, *message;
    int code;
    if (!PyArg_ParseTuple(args, "sis", &domain, &code, &message))
        return NULL;
    return raise_error(g.error_new_literal(g.quark_from_string(domain), code, message));
}

static PyMethodDef methods[] = {
    {"pack", (PyCFunction)(void (*)(void))module_pack, METH_FASTCALL, "A value of one D-Bus type as a GLib.Variant."},
    {"unpack", module_unpack, METH_O, "What a GLib.Variant holds."},
    {"start", (PyCFunction)(void (*)(void))start_call, METH_FASTCALL, start_doc},
    {"register", register_object, METH_VARARGS, register_doc},
    {"fail", module_fail, METH_VARARGS, "Raise the GLib.Error of a domain, a code and a message, as a failed call does."},
    {NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "gleenlet.dbus._gvariant", .m_doc = "See gvariant.h.", .m_size = -1,
    .m_methods = methods};

PyMODINIT_FUNC PyInit__gvariant(void) {
    if (load_library() || !(str_wake = PyUnicode_InternFromString("wake")))
        return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module && (PyModule_AddType(module, &CallType) || PyModule_AddType(module, &AnswerType)))
        Py_CLEAR(module);
    return module;
}
