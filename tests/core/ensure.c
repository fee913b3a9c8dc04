/* A binding of tomorrow: it calls Python back through PEP 788's PyThreadState_Ensure, not PyGILState_Ensure. */
#include <Python.h>

static PyObject *call_back(PyObject *Py_UNUSED(module), PyObject *func) {
    PyInterpreterGuard *guard = PyInterpreterGuard_FromCurrent();
    PyThreadStateToken *token = guard ? PyThreadState_Ensure(guard) : NULL;
    PyObject *result = token ? PyObject_CallNoArgs(func) : NULL;
    if (token)
        PyThreadState_Release(token);
    if (guard)
        PyInterpreterGuard_Close(guard);
    return result;
}

static PyMethodDef functions[] = {{"call_back", call_back, METH_O, NULL}, {NULL}};

static PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "ensure", .m_size = -1, .m_methods = functions};

PyMODINIT_FUNC PyInit_ensure(void) { return PyModule_Create(&module); }
