/* What becomes of an observed event: a Record on the Tape, and the task's Tally brought up to date. All in the middle of a
 * switch: nothing here runs Python code. */
#include "recorder.h"

#define MOST_WORDS 65536

static uint32_t numbers;                    /* of tasks, so far */

/* ---- words: names of types and verbs, by number ---- */

typedef struct {
    void *key;                              /* the type, or the verb; never looked into */
    PyObject *name;
    uint32_t number;
} Word;

static Word *words;                         /* by hash of the key: a table of 2 to the power of word_bits */
static int word_bits;
static uint32_t n_words;
static PyObject *all_words;                 /* a list of names, by number */

PyObject *word(uint32_t number) { /* borrowed; NULL: none */
    return number ? PyList_GET_ITEM(all_words, number) : NULL;
}

static inline size_t place(void *key, int bits) { return ((uintptr_t)key >> 4) * 0x9E3779B97F4A7C15ull >> (64 - bits); }

static int more_words(void) {
    int bits = word_bits ? word_bits + 1 : 8;
    Word *table = PyMem_RawCalloc((size_t)1 << bits, sizeof *table);
    if (!table)
        return -1;
    for (size_t i = 0; word_bits && i < (size_t)1 << word_bits; i++)
        if (words[i].key) {
            size_t j = place(words[i].key, bits);
            while (table[j].key)
                j = (j + 1) & (((size_t)1 << bits) - 1);
            table[j] = words[i];
        }
    PyMem_RawFree(words);
    words = table;
    word_bits = bits;
    return 0;
}

int ready_words(void) {
    if (all_words)
        return 0;
    if (!(all_words = PyList_New(0)) || PyList_Append(all_words, Py_None)) /* 0 is none */
        return -1;
    if (more_words()) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

/* `name` is what the key has now: another name than before means that another object is at the key's address. */
static uint32_t number_of_word(void *key, PyObject *name) {
    if (n_words * 2 >= (1u << word_bits) && (n_words > MOST_WORDS || more_words()))
        return 0;
    size_t i = place(key, word_bits);
    while (words[i].key && words[i].key != key)
        i = (i + 1) & (((size_t)1 << word_bits) - 1);
    if (words[i].key && words[i].name == name)
        return words[i].number;
    if (PyList_Append(all_words, name)) /* which keeps the name */
        return PyErr_Clear(), 0;
    n_words += !words[i].key;
    words[i] = (Word){key, name, (uint32_t)PyList_GET_SIZE(all_words) - 1};
    return words[i].number;
}

static uint32_t type_word(PyTypeObject *type) {
    if (PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE))
        return number_of_word(type, ((PyHeapTypeObject *)type)->ht_name);
    const char *dot = strrchr(type->tp_name, '.');
    for (size_t i = place(type, word_bits); words[i].key; i = (i + 1) & (((size_t)1 << word_bits) - 1))
        if (words[i].key == type) /* a static type stays */
            return words[i].number;
    PyObject *name = PyUnicode_FromString(dot ? dot + 1 : type->tp_name);
    uint32_t number = name ? number_of_word(type, name) : 0;
    if (!name)
        PyErr_Clear();
    Py_XDECREF(name);
    return number;
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
        tally->number = ++numbers & (STRANGER - 1);
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
        by = number_of_word(text, text);
        kind = WAIT_CALL;
    } else
        by = type_word(Py_TYPE(on));
    put(tape, now, watcher->loop, kind, 0, who, by, name ? name : text);
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
    if (item->kind->is == WAITER && (!waiter->greenlet || waiter->state != READY))
        return; /* it left its wait some other way meanwhile */
    if (job) {
        Tally *tally = tally_of(tape, job, now);
        if (tally)
            tally->switches++;
        put(tape, now, watcher->loop, BEGIN, 0, becomes(tally, now, RUNNING_TIME), 0, NULL);
    } else if (item->kind->is == WAITER || greenlet)
        put(tape, now, watcher->loop, BEGIN, 0, stranger(greenlet ? greenlet : waiter->greenlet), 0, NULL);
    else {
        PyObject *name =
            item->kind->is == HANDLE ? name_of_func(((Handle *)item)->func) : PyUnicode_FromString("to_thread");
        put(tape, now, watcher->loop, BEGIN, 0, 0, 0, name);
        Py_XDECREF(name);
    }
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
