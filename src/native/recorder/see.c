/* What becomes of an observed event: a Record on the Tape, and the task's Tally brought up to date. All in the middle of a
 * switch: nothing here runs Python code. */
#include "recorder.h"

#include "../library.h"

#define MOST_WORDS 65536

PyTypeObject *TheHub, *TheJob, *TheFiber;

static uint32_t tasks;                      /* so far: the newest one's number */

/* ---- words: names of types and verbs, by number ---- */

static PyObject *numbers;                   /* a dict of them: by the str, or by a type that stays */
static PyObject *words;                     /* a list of strs, by number */
static struct {
    PyObject *key;                          /* owned */
    uint32_t number;
} recent[256];                              /* by address: most look-ups end here */

PyObject *word(uint32_t number) { /* borrowed; NULL: none */
    return number ? PyList_GET_ITEM(words, number) : NULL;
}

static PyObject *name_of_static(PyTypeObject *type) {
    const char *dot = strrchr(type->tp_name, '.');
    return PyUnicode_FromString(dot ? dot + 1 : type->tp_name);
}

static PyObject *add_word(PyObject *key) { /* its number, borrowed */
    Py_ssize_t n = PyList_GET_SIZE(words);
    PyObject *number = n <= MOST_WORDS ? PyLong_FromSsize_t(n) : NULL;
    PyObject *name = PyType_Check(key) ? name_of_static((PyTypeObject *)key) : Py_NewRef(key);
    int added = number && name && !PyList_Append(words, name) && !PyDict_SetItem(numbers, key, number);
    if (!added)
        PyErr_Clear();
    Py_XDECREF(name);
    Py_XDECREF(number);
    return added ? number : NULL;
}

static uint32_t number_of_word(PyObject *key) { /* 0: there is no room for more */
    size_t i = (uintptr_t)key >> 4 & 255;
    if (recent[i].key != key) {
        PyObject *known = PyDict_GetItemWithError(numbers, key), *number = known ? known : add_word(key);
        if (!number)
            return 0;
        Py_XSETREF(recent[i].key, Py_NewRef(key));
        recent[i].number = (uint32_t)PyLong_AsLong(number);
    }
    return recent[i].number;
}

static uint32_t type_word(PyTypeObject *type) {
    if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE))
        return number_of_word((PyObject *)type);
    PyObject *name = ((PyHeapTypeObject *)type)->ht_name;
    return PyUnicode_CheckExact(name) ? number_of_word(name) : 0; /* R1: a subclass may hash in Python */
}

int ready_seeing(void) {
    const char *core = "gleenlet._core._native";
    return (TheHub = (PyTypeObject *)import_from(core, "Hub")) && (TheJob = (PyTypeObject *)import_from(core, "Job")) &&
                   (TheFiber = (PyTypeObject *)import_from(core, "Fiber")) && (numbers = PyDict_New()) &&
                   (words = Py_BuildValue("[O]", Py_None)) /* 0 is none */
               ? 0
               : -1;
}

/* ---- names ---- */

static PyObject *name_of_func(PyObject *func) { /* a new reference, or NULL without an error */
    PyObject *name = NULL;
    if (func && PyMethod_Check(func))
        func = PyMethod_GET_FUNCTION(func);
    if (!func)
        return NULL;
    if (PyUnicode_CheckExact(func)) /* of a task that has let go of it */
        return Py_NewRef(func);
    if (PyFunction_Check(func))
        return Py_NewRef(((PyFunctionObject *)func)->func_name);
    if (PyCFunction_Check(func))
        name = PyUnicode_FromString(((PyCFunctionObject *)func)->m_ml->ml_name);
    else if (PyType_Check(func) && PyType_HasFeature((PyTypeObject *)func, Py_TPFLAGS_HEAPTYPE))
        name = Py_NewRef(((PyHeapTypeObject *)func)->ht_name);
    else if (!strncmp(Py_TYPE(func)->tp_name, "gi.", 3)) /* PyGObject's own C code */
        name = PyObject_GetAttrString(func, "__name__");
    else
        name = Py_XNewRef(word(type_word(PyType_Check(func) ? (PyTypeObject *)func : Py_TYPE(func))));
    if (!name)
        PyErr_Clear();
    else if (!PyUnicode_CheckExact(name))
        Py_CLEAR(name);
    return name;
}

PyObject *name_of(Job *job) {
    return job->name && job->name != Py_None ? Py_NewRef(job->name) : name_of_func(job->func);
}

/* ---- tallies ---- */

Tally *tally_of(Tape *tape, Job *job, int64_t now) { /* NULL: no memory */
    Tally *tally = job->tally;
    if (tally && tally->serial == tape->serial)
        return tally;
    if (!tally) {
        if (!(tally = job->tally = PyMem_Calloc(1, sizeof *tally)))
            return NULL;
        tally->number = ++tasks & (STRANGER - 1);
    }
    memset(tally->spent, 0, sizeof tally->spent);
    tally->switches = 0;
    tally->serial = tape->serial;
    tally->doing = job->hub->home.running && job->hub->home.running->job == job           ? RUNNING_TIME
                   : job->queued || !job->waiter || job->waiter->state == READY ? READY_TIME
                                                                                : WAITING_TIME;
    tally->since = now;
    return tally;
}

static inline uint32_t becomes(Tally *tally, int64_t now, int doing) {
    if (!tally)
        return 0;
    tally->spent[tally->doing] += now - tally->since;
    tally->since = now;
    tally->doing = doing;
    return tally->number;
}

static uint32_t stranger(PyGreenlet *greenlet) {
    PyGreenlet *parent = greenlet ? PyGreenlet_GET_PARENT(greenlet) : NULL;
    Py_XDECREF(parent);
    return STRANGER | (parent ? (uint32_t)((uintptr_t)greenlet >> 4) & (STRANGER - 1) : 0);
}

uint32_t running(Tape *tape, Hub *hub, int64_t now) { /* whose doing it is; 0: the loop's */
    Fiber *fiber = hub->home.running;
    Tally *tally = fiber && fiber->job ? tally_of(tape, fiber->job, now) : NULL;
    return tally ? tally->number : 0;
}

/* ---- events ---- */

static void see_wait(Watcher *watcher, Waiter *waiter, int64_t now) {
    Tape *tape = watcher->tape;
    PyObject *on = waiter->on, *text = waiter->verb && PyUnicode_CheckExact(waiter->verb) ? waiter->verb : NULL;
    PyObject *name = NULL;
    uint32_t who, by = 0;
    int kind = WAIT;
    if (waiter->job)
        who = becomes(tally_of(tape, waiter->job, now), now, waiter->state == READY ? READY_TIME : WAITING_TIME);
    else {
        PyGreenlet *current = PyGreenlet_GetCurrent();
        who = stranger(current);
        Py_XDECREF(current);
    }
    if (waiter->state == READY)
        kind = YIELD;
    else if (!on || on == Py_None)
        ;
    else if (PyLong_CheckExact(on)) {
        int overflow;
        by = (uint32_t)PyLong_AsLongAndOverflow(on, &overflow);
        kind = WAIT_NUMBER;
    } else if (PyObject_TypeCheck(on, TheJob)) {
        Tally *other = tally_of(tape, (Job *)on, now);
        by = other ? other->number : 0;
        kind = WAIT_TASK;
    } else if ((Py_TYPE(on)->tp_call || Py_TYPE(on)->tp_vectorcall_offset) && text && (name = name_of_func(on))) {
        by = number_of_word(text);
        kind = WAIT_CALL;
    } else
        by = type_word(Py_TYPE(on));
    put(tape, now, watcher->loop, kind, 0, who, by, name ? name : text);
    Py_XDECREF(name);
}

static void see_call(Watcher *watcher, PyObject *name, int64_t now) { /* steals; of a function, by the loop itself */
    put(watcher->tape, now, watcher->loop, BEGIN, 0, 0, 0, name);
    Py_XDECREF(name);
}

static void see_begin(Watcher *watcher, Item *item, int64_t now) {
    Tape *tape = watcher->tape;
    Waiter *waiter = (Waiter *)item;
    PyGreenlet *greenlet = item->kind->is == SWITCH ? (PyGreenlet *)((Handle *)item)->func : NULL;
    PyObject *dict = greenlet ? greenlet->dict : NULL;
    Job *job = item->kind->is == JOB                   ? (Job *)item
               : item->kind->is == WAITER              ? waiter->job
               : dict && Py_IS_TYPE(dict, TheFiber) ? ((Fiber *)dict)->job
                                                   : NULL;
    if (item->kind->is == WAITER && (!waiter->greenlet || waiter->state != READY)) {
        if (waiter->from_thread && waiter->state < READY)
            see_call(watcher, PyUnicode_FromString("to_thread"), now);
        return; /* else it left its wait some other way meanwhile */
    }
    if (job) {
        Tally *tally = tally_of(tape, job, now);
        if (tally)
            tally->switches++;
        put(tape, now, watcher->loop, BEGIN, 0, becomes(tally, now, RUNNING_TIME), 0, NULL);
    } else if (item->kind->is == WAITER || greenlet)
        put(tape, now, watcher->loop, BEGIN, 0, stranger(greenlet ? greenlet : waiter->greenlet), 0, NULL);
    else
        see_call(watcher, name_of_func(((Handle *)item)->func), now);
}

void see(Observer *observer, Hub *hub, int event, Item *item) {
    Watcher *watcher = (Watcher *)observer;
    Tape *tape = watcher->tape;
    if (tape->off)
        return;
    int64_t now = clock_ns();
    Tally *tally;
    PyObject *name;
    Job *job = (Job *)item;
    switch (event) {
    case WAITS:
        see_wait(watcher, (Waiter *)item, now);
        return;
    case BEGINS:
        see_begin(watcher, item, now);
        return;
    case WAKES:
        job = ((Waiter *)item)->job;
        put(tape, now, watcher->loop, WAKE, 0,
            job ? becomes(tally_of(tape, job, now), now, READY_TIME) : stranger(((Waiter *)item)->greenlet),
            running(tape, hub, now), NULL);
        return;
    case RETURNS:
        put(tape, now, watcher->loop, HOME, 0, 0, 0, NULL);
        return;
    }
    tally = tally_of(tape, job, now);
    if (!tally)
        return;
    if (event == INTERRUPTED) {
        put(tape, now, watcher->loop, CANCEL, 0, tally->number, running(tape, hub, now), NULL);
        return;
    }
    name = name_of(job);
    int named = job->name && job->name != Py_None;
    if (event == SPAWNED) {
        tally->spawned = now;
        put(tape, now, watcher->loop, SPAWN, named, tally->number, running(tape, hub, now), name);
    } else {
        becomes(tally, now, RUNNING_TIME);
        put(tape, now, watcher->loop, END, named, tally->number, job->state, name);
    }
    Py_XDECREF(name);
}
