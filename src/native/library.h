/* GLib's functions without its headers and without a second copy of it: from the libraries that PyGObject's own module is
 * linked with, whatever their files are called here (F7c), or, as Gio in Debian 13, that a typelib has loaded for all. */
#ifndef GLEENLET_LIBRARY_H
#define GLEENLET_LIBRARY_H
#include <Python.h>
#include <dlfcn.h>

/* Of a list of functions, X(result, name, arguments): the fields of a table, and the names that fill it. */
#define FUNCTION(result, name, arguments) result(*name) arguments;
#define FUNCTION_NAME(result, name, arguments) "g_" #name,

static inline PyObject *import_from(const char *module, const char *name) { /* a new reference */
    PyObject *imported = PyImport_ImportModule(module);
    PyObject *found = imported ? PyObject_GetAttrString(imported, name) : NULL;
    Py_XDECREF(imported);
    return found;
}

static inline int load_functions(void **functions, const char *const *names, size_t n) { /* -1: an error is set */
    PyObject *module = PyImport_ImportModule("gi._gi");
    PyObject *file = module ? PyModule_GetFilenameObject(module) : NULL, *path = NULL;
    void *library = NULL;
    if (file && PyUnicode_FSConverter(file, &path) && !(library = dlopen(PyBytes_AS_STRING(path), RTLD_NOLOAD | RTLD_NOW)))
        PyErr_Format(PyExc_ImportError, "gleenlet needs the GLib that PyGObject has loaded, but %U is not loaded", file);
    for (size_t i = 0; library && i < n; i++)
        if (!(functions[i] = dlsym(library, names[i])) && !(functions[i] = dlsym(RTLD_DEFAULT, names[i]))) {
            PyErr_Format(PyExc_ImportError, "gleenlet needs the GLib that PyGObject has loaded, but it has no %s", names[i]);
            library = NULL;
        }
    Py_XDECREF(path);
    Py_XDECREF(file);
    Py_XDECREF(module);
    return library ? 0 : -1;
}

#endif
