/* The module gleenlet._core._native: its functions, types and constants. */
#include "core.h"

void **greenlet_api;
PyObject *GleenletError, *str_block, *str_finished, *str_report, *str_complain, *str_stack_saved, *str_refuse_put,
    *str_refuse_get;

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
    return PyLong_FromLong(PyThreadState_Get()->gilstate_counter - 1);
}

static PyObject *core_main_depth(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return PyLong_FromLong(main_depth());
}

static PyObject *core_current_context(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return PyLong_FromVoidPtr(context_peek());
}

/* Not threading's: gevent's monkey patching gives every greenlet an identifier and a local of its own. */
static PyObject *core_get_ident(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return PyLong_FromUnsignedLong(this_thread());
}

static PyObject *core_thread_dict(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    return Py_XNewRef(PyThreadState_GetDict());
}

static PyMethodDef core_functions[] = {
    {"set_guest", core_set_guest, METH_VARARGS,
     "Tell of another loop's hub, a greenlet, and of a function that waits in that loop's way for its greenlets."},
    {"sleep", core_sleep, METH_O, sleep_doc},
    {"wait_fd", (PyCFunction)(void (*)(void))core_wait_fd, METH_FASTCALL, "Wait for one direction of a descriptor."},
    {"current_task", core_current_task, METH_NOARGS, "The task that runs here, or None."},
    {"check_runs", core_check_runs, METH_O, "TypeError: calling this runs nothing."},
    {"runs_tasks", core_runs_tasks, METH_O, "Is this a greenlet of the pool?"},
    {"callback_depth", core_callback_depth, METH_NOARGS, "How many C callbacks are on this thread's stack (F5)."},
    {"main_depth", core_main_depth, METH_NOARGS, "g_main_depth()."},
    {"may_wait", core_may_wait, METH_NOARGS, "Is this a task's code that may be switched away from, in its own context?"},
    {"runs_loop", core_runs_loop, METH_NOARGS, "Is a dispatch of GLib's on the current greenlet's own stack?"},
    {"current_context", core_current_context, METH_NOARGS, "The address of the thread's default context."},
    {"get_ident", core_get_ident, METH_NOARGS, "The identifier of this thread."},
    {"thread_dict", core_thread_dict, METH_NOARGS, "A dictionary of this thread, which ends with it."},
    {"claim", core_claim, METH_VARARGS, "Is `what` this thread's, bound to `thread` (0: none yet)? Return this thread's."},
    {"own_methods", core_own_methods, METH_O, own_methods_doc},
    {"on_missing_hub", core_on_missing_hub, METH_O, "Tell who makes this thread's hub."},
    {NULL}};

static int add_types(PyObject *module) {
    PyTypeObject *types[] = {&WaiterType, &CallType, &JobType,  &FiberType, &HubType,
                             &RingType,   &EventType, &LockType, &QueueType};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (PyModule_AddType(module, types[i]))
            return -1;
    return 0;
}

static int core_exec(PyObject *module) {
    PyObject *errors = NULL, *gi = NULL;
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "gleenlet works in the main interpreter only: GLib's loop is the process's");
        return -1;
    }
    PyGreenlet_Import();
    if (!greenlet_api || !(gi = PyImport_ImportModule("gi._gi")) || load_glib() ||
        !(errors = PyImport_ImportModule("gleenlet._core.errors")) ||
        !(GleenletError = PyObject_GetAttrString(errors, "GleenletError")) ||
        !(str_finished = PyUnicode_InternFromString("_finished")) ||
        !(str_report = PyUnicode_InternFromString("_report")) ||
        !(str_complain = PyUnicode_InternFromString("_complain")) ||
        !(str_block = PyUnicode_InternFromString("_block")) ||
        !(str_refuse_put = PyUnicode_InternFromString("_refuse_put")) ||
        !(str_refuse_get = PyUnicode_InternFromString("_refuse_get")) ||
        !(str_stack_saved = PyUnicode_InternFromString("_stack_saved")) || ready_fiber_type() || ready_func() ||
        add_types(module) ||
        PyModule_AddIntConstant(module, "IDLE_PRIORITY", IDLE_PRIORITY) ||
        PyModule_AddIntConstant(module, "DONE", DONE) || PyModule_AddIntConstant(module, "FAILED", FAILED) ||
        PyModule_AddIntConstant(module, "CANCELLED", CANCELLED))
        return -1;
    Py_DECREF(errors);
    Py_DECREF(gi);
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
