/* The module gleenlet._core._native: its functions, types and constants. */
#include "platform.h"
#include "stack.h"

static PyObject *core_current_task(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    PyGreenlet *current = PyGreenlet_GetCurrent();
    Job *job = current ? owner(current) : NULL;
    Py_XDECREF(current);
    return Py_NewRef(job ? (PyObject *)job : Py_None);
}

static PyObject *core_runs_tasks(PyObject *Py_UNUSED(module), PyObject *greenlet) {
    return PyBool_FromLong(PyGreenlet_Check(greenlet) && as_fiber((PyGreenlet *)greenlet));
}

static PyObject *core_callback_depth(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return PyLong_FromLong(callback_count(PyThreadState_Get()) - 1);
}

static PyObject *core_collecting(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return PyBool_FromLong(collector == PyThreadState_Get());
}

static PyObject *core_main_depth(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return PyLong_FromLong(main_depth());
}

/* Not threading's: gevent's monkey patching gives every greenlet an identifier and a local of its own. */
static PyObject *core_get_ident(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return PyLong_FromUnsignedLong(this_thread());
}

static PyObject *core_get_hub(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    PyGreenlet *current = PyGreenlet_GetCurrent();
    Hub *hub = current ? get_hub(current) : NULL;
    Py_XDECREF(current);
    return Py_XNewRef(hub);
}

static PyMethodDef core_functions[] = {
    {"sleep", core_sleep, METH_O, sleep_doc},
    {"wait_fd", (PyCFunction)(void (*)(void))core_wait_fd, METH_FASTCALL, "Wait for one direction of a descriptor."},
    {"current_task", core_current_task, METH_NOARGS, "The task that runs here, or None."},
    {"check_runs", core_check_runs, METH_O, "TypeError: calling this runs nothing."},
    {"runs_tasks", core_runs_tasks, METH_O, "Is this a greenlet of the pool?"},
    {"callback_depth", core_callback_depth, METH_NOARGS, "How many C callbacks and collections are on this thread's stack (F5)."},
    {"collecting", core_collecting, METH_NOARGS, "Does this thread run the cyclic garbage collector (F11)?"},
    {"try_stack_chunk", core_try_stack_chunk, METH_VARARGS,
     "Does a first stack chunk of so many bytes hold Python frames as expected? In a fresh greenlet, with a function that "
     "calls its argument at two depths."},
    {"main_depth", core_main_depth, METH_NOARGS, "g_main_depth()."},
    {"may_wait", core_may_wait, METH_NOARGS, "Is this a task's code that may be switched away from, in its own context?"},
    {"runs_loop", core_runs_loop, METH_NOARGS, "Is a dispatch of GLib's on the current greenlet's own stack?"},
    {"get_ident", core_get_ident, METH_NOARGS, "The identifier of this thread."},
    {"get_hub", core_get_hub, METH_NOARGS, "The hub of this greenlet, else of this thread and its context."},
    {"exit", core_exit, METH_NOARGS, "Close this thread's hubs: the interpreter is about to end."},
    {"hubs", core_hubs, METH_NOARGS, "This thread's hubs."},
    {"describe", core_describe, METH_VARARGS, "describe(what, state, waiters): what repr() of a lock and its like says."},
    {"on_missing_hub", core_on_missing_hub, METH_O, "Tell who makes this thread's hub."},
    {NULL}};

static int add_types(PyObject *module) {
    PyTypeObject *types[] = {&ThreadType, &WaiterType, &HandleType, &JobType, &FiberType, &HubType,
                             &LineType, &ThreadBoundType, &EventType, &LockType};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (PyModule_AddType(module, types[i]))
            return -1;
    return 0;
}

/* The probe reads private fields of CPython. Where a known callback does not show in them, every wait might be a crash. */
static int check_probe(void) {
    PyThreadState *state = PyThreadState_Get();
    int before = callback_count(state);
    PyGILState_STATE gil = PyGILState_Ensure();
    int seen = callback_count(state) == before + 1;
    PyGILState_Release(gil);
#if PY_VERSION_HEX >= 0x030F0000
    PyInterpreterGuard *guard = PyInterpreterGuard_FromCurrent();
    PyThreadStateToken *token = guard ? PyThreadState_Ensure(guard) : NULL;
    if (token) {
        seen = seen && callback_count(state) == before + 1;
        PyThreadState_Release(token);
    }
    if (guard)
        PyInterpreterGuard_Close(guard);
    seen = seen && token;
#endif
    if (seen && callback_count(state) == before && !getenv("GLEENLET_BLIND_PROBE"))
        return 0;
    PyErr_Format(PyExc_ImportError,
                 "gleenlet cannot see C callbacks on this Python (%s), so no wait would be safe: its private fields have "
                 "changed since 3.15; use a Python that gleenlet was tried with, or a newer gleenlet",
                 Py_GetVersion());
    return -1;
}

static int core_exec(PyObject *module) {
    PyObject *gi = NULL;
#ifdef Py_GIL_DISABLED
    PyErr_SetString(PyExc_ImportError, "gleenlet needs Python's global lock: this is a free-threaded build of Python, "
                                       "and neither greenlet nor the core's probe of the C stack works without it");
    return -1;
#endif
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "gleenlet works in the main interpreter only: GLib's loop is the process's");
        return -1;
    }
    PyGreenlet_Import();
    if (!greenlet_api || !(gi = PyImport_ImportModule("gi._gi")) || ready_dispatch() || know_words() || know_errors() ||
        ready_fiber_type() || ready_func() || add_types(module) || add_queues(module) ||
        watch_collector() || check_probe() ||
        PyModule_AddIntConstant(module, "IDLE_PRIORITY", IDLE_PRIORITY) ||
        PyModule_AddStringConstant(module, "PLATFORM", platform_name) ||
        PyModule_AddIntConstant(module, "DONE", DONE) || PyModule_AddIntConstant(module, "FAILED", FAILED) ||
        PyModule_AddIntConstant(module, "CANCELLED", CANCELLED))
        return -1;
    Py_DECREF(gi);
    context_peek(); /* the default context is made now: GLib ends the process where it finds no descriptor for one */
    return 0;
}

static PyModuleDef_Slot core_slots[] = {{Py_mod_exec, core_exec},
#if PY_VERSION_HEX >= 0x030C0000
                                        {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
                                        {0, NULL}};

static PyModuleDef core_module = {PyModuleDef_HEAD_INIT, .m_name = "gleenlet._core._native", .m_methods = core_functions,
                                  .m_slots = core_slots};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&core_module); }
