/* What Python sees: Tape, and what links one to a hub. */
#include "recorder.h"

void **greenlet_api;

static int check(PyObject *args, Tape **tape, Hub **hub) { /* 1; 0 with an error */
    return PyArg_ParseTuple(args, "O!O!", &TapeType, tape, TheHub, hub);
}

static void drop(Observer *observer) {
    Py_DECREF(((Watcher *)observer)->tape);
    PyMem_Free(observer);
}

static Watcher *find(Tape *tape, Hub *hub) {
    Observer *observer = hub->observers;
    while (observer && !(observer->see == see && ((Watcher *)observer)->tape == tape))
        observer = observer->next;
    return (Watcher *)observer;
}

static int in_thread(Hub *hub) {
    if (this_thread() == hub->thread)
        return 1;
    PyErr_SetString(PyExc_RuntimeError, "this is another thread than the hub's");
    return 0;
}

static PyObject *attach(PyObject *Py_UNUSED(module), PyObject *args) {
    static unsigned loops;
    Tape *tape;
    Hub *hub;
    if (!check(args, &tape, &hub) || !in_thread(hub))
        return NULL;
    Watcher *watcher = find(tape, hub);
    if (watcher)
        return PyLong_FromUnsignedLong(watcher->loop);
    if (!(watcher = PyMem_Malloc(sizeof *watcher)))
        return PyErr_NoMemory();
    *watcher = (Watcher){{.see = see, .drop = drop}, (Tape *)Py_NewRef(tape), ++loops & 0x7fff};
    add_observer(hub, &watcher->base);
    return PyLong_FromUnsignedLong(watcher->loop);
}

static PyObject *detach(PyObject *Py_UNUSED(module), PyObject *args) {
    Tape *tape;
    Hub *hub;
    if (!check(args, &tape, &hub) || !in_thread(hub))
        return NULL;
    return PyBool_FromLong(remove_observer(hub, (Observer *)find(tape, hub)));
}

/* mark(tape, hub, kind, microseconds, text): of who knows what the core does not; any thread */
static PyObject *mark(PyObject *Py_UNUSED(module), PyObject *args) {
    Tape *tape;
    Hub *hub;
    int kind;
    unsigned microseconds;
    PyObject *text;
    if (!PyArg_ParseTuple(args, "O!O!iIU", &TapeType, &tape, TheHub, &hub, &kind, &microseconds, &text))
        return NULL;
    Watcher *watcher = find(tape, hub);
    int64_t now = clock_ns();
    if (watcher && !tape->off)
        put(tape, now, watcher->loop, kind, 0, kind == STALL ? running(tape, hub, now) : 0, microseconds, text);
    Py_RETURN_NONE;
}

/* The labels of the unfinished tasks, by number. Their names are taken first: the dict may start a collection. */
static PyObject *names(PyObject *Py_UNUSED(module), PyObject *args) {
    Tape *tape;
    Hub *hub;
    if (!check(args, &tape, &hub))
        return NULL;
    Name *all = PyMem_RawMalloc((hub->n_jobs + 1) * sizeof *all);
    if (!all)
        return PyErr_NoMemory();
    Py_ssize_t n = 0, most = hub->n_jobs;
    for (Job *job = hub->jobs; job && n < most; job = job->following) {
        Tally *tally = job->tally;
        if (tally && tally->serial == tape->serial)
            all[n++] = (Name){name_of(job), tally->number, job->name && job->name != Py_None};
    }
    return label_all(all, n);
}

/* tally(tape, task): (number, spawned or None, switches, running, ready, waiting), in seconds; None: not seen yet */
static PyObject *tally(PyObject *Py_UNUSED(module), PyObject *args) {
    Tape *tape;
    Job *job;
    if (!PyArg_ParseTuple(args, "O!O!", &TapeType, &tape, TheJob, &job))
        return NULL;
    Tally *tally = job->tally;
    if (!tally || tally->serial != tape->serial)
        Py_RETURN_NONE;
    double spent[3];
    for (int i = 0; i < 3; i++)
        spent[i] = tally->spent[i] / 1e9;
    if (!has_ended(job) && !tape->off)
        spent[tally->doing] += (clock_ns() - tally->since) / 1e9;
    PyObject *spawned = tally->spawned ? PyFloat_FromDouble(tally->spawned / 1e9) : Py_NewRef(Py_None);
    return Py_BuildValue("(INIddd)", (unsigned)tally->number, spawned, (unsigned)tally->switches, spent[RUNNING_TIME],
                         spent[READY_TIME], spent[WAITING_TIME]);
}

static PyMethodDef methods[] = {
    {"attach", attach, METH_VARARGS, "Have a Tape take down what a hub does: the loop's number. Thread: the hub's."},
    {"detach", detach, METH_VARARGS, "Undo attach(). Thread: the hub's."},
    {"mark", mark, METH_VARARGS, "Take down STALL or FRAME of a hub that is attached. Thread: any."},
    {"names", names, METH_VARARGS, "The labels of a hub's unfinished tasks that a Tape has seen, by number."},
    {"tally", tally, METH_VARARGS, "What a Tape knows of a task."},
    {NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "gleenlet.debug._recorder", .m_doc = "See recorder.h.", .m_size = -1,
    .m_methods = methods};

PyMODINIT_FUNC PyInit__recorder(void) {
    PyGreenlet_Import();
    PyObject *module = greenlet_api && !ready_seeing() ? PyModule_Create(&definition) : NULL;
    if (module && (ready_pulse(module) || ready_reading(module) || PyModule_AddIntConstant(module, "STALL", STALL) ||
                   PyModule_AddIntConstant(module, "FRAME", FRAME)))
        Py_CLEAR(module);
    return module;
}
