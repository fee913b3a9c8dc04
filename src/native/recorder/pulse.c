/* Pulse: whether a loop turns, without asking it. A GSource that is looked at before all others, and never has anything to
 * do: as prepare is called the loop is about to sleep, as check is called it is awake, and goes to dispatch. */
#include "recorder.h"
#include "../glib.h"

#include <stdatomic.h>

#ifndef CLOCK_MONOTONIC_COARSE                 /* Linux's */
#define CLOCK_MONOTONIC_COARSE CLOCK_MONOTONIC
#endif

#define IN_CALL 2                           /* G_HOOK_FLAG_IN_CALL, in a GSource's flags while it is dispatched */
#define OLDEST_IDS 4096                     /* of sources, which are looked for by their number */
#define NEWEST_IDS 262144

struct Source {
    SOURCE_HEAD
    /* Written in the loop's thread without the GIL; it lives as long as the GSource (F13). */
    _Atomic uint64_t turns;                 /* odd: awake */
    _Atomic int64_t since;                  /* CLOCK_MONOTONIC_COARSE, ns */
};

typedef struct {
    PyObject_HEAD
    Source *source;
    Hub *hub;                               /* owned */
} Pulse;

static const char *const symbols[] = {"g_timeout_funcs",     "g_idle_funcs",        "g_io_watch_funcs",
                                      "g_child_watch_funcs", "g_unix_signal_funcs", "g_unix_fd_source_funcs"};
static const char *const kinds[] = {"timeout", "idle", "io watch", "child watch", "Unix signal", "descriptor"};
#define N (sizeof symbols / sizeof *symbols)
static void *kind_funcs[N];

static int pulse_prepare(Source *source, int *timeout) {
    *timeout = -1;
    uint64_t turns = atomic_load_explicit(&source->turns, memory_order_relaxed);
    atomic_store_explicit(&source->turns, (turns | 1) + 1, memory_order_release);
    return 0;
}

static int pulse_check(Source *source) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* some ms late, but a quarter of the time that the exact one takes */
    atomic_store_explicit(&source->since, now.tv_sec * 1000000000LL + now.tv_nsec, memory_order_relaxed);
    uint64_t turns = atomic_load_explicit(&source->turns, memory_order_relaxed);
    atomic_store_explicit(&source->turns, (turns + 1) | 1, memory_order_release);
    return 0;
}

static const SourceFuncs pulse_funcs = {pulse_prepare, pulse_check, NULL, NULL, NULL, NULL};

static PyObject *pulse_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(names)) {
    Hub *hub;
    if (!PyArg_ParseTuple(args, "O!", TheHub, &hub))
        return NULL;
    Pulse *pulse = (Pulse *)type->tp_alloc(type, 0);
    if (pulse && hub->open) { /* else it is as one that was stopped */
        Source *source = pulse->source = new_source(&pulse_funcs, sizeof(Source), "gleenlet.debug", INT_MIN);
        pulse->hub = (Hub *)Py_NewRef(hub);
        atomic_store(&source->turns, 1); /* as if a turn began: if it sleeps, this wakes it, and it says so */
        atomic_store(&source->since, clock_ns());
        g.source_attach(source, hub->context);
    }
    return (PyObject *)pulse;
}

static PyObject *pulse_stop(Pulse *pulse, PyObject *Py_UNUSED(ignored)) {
    if (pulse->source) {
        g.source_destroy(pulse->source);
        g.source_unref(pulse->source);
        pulse->source = NULL;
    }
    Py_CLEAR(pulse->hub);
    Py_RETURN_NONE;
}

static void pulse_dealloc(Pulse *pulse) {
    Py_DECREF(pulse_stop(pulse, NULL));
    Py_TYPE(pulse)->tp_free(pulse);
}

/* awake(): None: it sleeps; else (turn, since): which one this is, and when it began, in seconds */
static PyObject *pulse_awake(Pulse *pulse, PyObject *Py_UNUSED(ignored)) {
    Source *source = pulse->source;
    if (!source)
        Py_RETURN_NONE;
    uint64_t turns = atomic_load_explicit(&source->turns, memory_order_acquire);
    int64_t since = atomic_load_explicit(&source->since, memory_order_relaxed);
    if (!(turns & 1) || turns != atomic_load_explicit(&source->turns, memory_order_acquire))
        Py_RETURN_NONE;
    return Py_BuildValue("(Kd)", (unsigned long long)turns, since / 1e9);
}

static PyObject *name_of_source(Source *source) {
    const char *name = source->name ? source->name : "source";
    for (size_t i = 0; i < N; i++)
        if (source->source_funcs == kind_funcs[i])
            name = kinds[i];
    PyObject *text = PyUnicode_DecodeUTF8(name, (Py_ssize_t)strlen(name), "replace");
    PyObject *whole = text ? PyUnicode_FromFormat("%U, priority %d", text, source->priority) : NULL;
    Py_XDECREF(text);
    return whole;
}

/* dispatched(): the names of the sources whose dispatch goes on, of nested loops as well. GLib gives no list of sources;
 * each has a number, and those that are likely are tried. The GIL is held: the loop that is stuck in Python stays so. */
static PyObject *pulse_dispatched(Pulse *pulse, PyObject *Py_UNUSED(ignored)) {
    PyObject *names = PyList_New(0);
    if (!names || !pulse->source || !pulse->hub->open)
        return names;
    void *context = pulse->hub->context;
    Source *newest = g.source_new(&pulse_funcs, sizeof(Source));
    unsigned last = g.source_attach(newest, context);
    g.source_destroy(newest);
    g.source_unref(newest);
    for (unsigned id = 1; id < last && names; id++) {
        if (id == OLDEST_IDS && last - id > NEWEST_IDS)
            id = last - NEWEST_IDS;
        Source *source = g.main_context_find_source_by_id(context, id);
        if (!source || !(source->flags & IN_CALL))
            continue;
        PyObject *name = name_of_source(source);
        if (!name || PyList_Append(names, name))
            Py_CLEAR(names);
        Py_XDECREF(name);
    }
    return names;
}

static PyMethodDef pulse_methods[] = {
    {"awake", (PyCFunction)pulse_awake, METH_NOARGS, "None while the loop sleeps; else (turn, since)."},
    {"dispatched", (PyCFunction)pulse_dispatched, METH_NOARGS, "The names of the sources that are being dispatched."},
    {"stop", (PyCFunction)pulse_stop, METH_NOARGS, "Let go of the loop."},
    {NULL}};

PyTypeObject PulseType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet.debug._recorder.Pulse",
    .tp_doc = "Pulse(hub): whether its loop turns. Thread: any.",
    .tp_basicsize = sizeof(Pulse),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = pulse_new,
    .tp_dealloc = (destructor)pulse_dealloc,
    .tp_methods = pulse_methods,
};

int ready_pulse(PyObject *module) {
    return load_glib_functions() || load_functions(kind_funcs, symbols, N) ? -1 : PyModule_AddType(module, &PulseType);
}
