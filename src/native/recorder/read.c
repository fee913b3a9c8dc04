/* A Tape as Python sees it, and the events on it. */
#include "recorder.h"

#include <structmember.h>

static PyTypeObject *event_type;

static const struct {
    const char *name;
    int says_by;                            /* `by` is what an Event's says */
} kinds[] = {
    [SPAWN] = {"spawn", 1},   [BEGIN] = {"begin", 0}, [YIELD] = {"yield", 0},      [WAIT] = {"wait", 0},
    [WAIT_TASK] = {"wait", 1},                        [WAIT_NUMBER] = {"wait", 0}, [WAIT_CALL] = {"wait", 0},
    [WAKE] = {"wake", 1},     [CANCEL] = {"cancel", 1}, [END] = {"end", 0},        [HOME] = {"home", 0},
    [STALL] = {"stall", 1},   [FRAME] = {"frame", 1},
};
#define N_KINDS (sizeof kinds / sizeof *kinds)
static PyObject *names[N_KINDS], *none, *ends[3];

static PyObject *label(PyObject *name, uint32_t who, int named) { /* a new reference, or NULL with an error */
    if (!name)
        return PyUnicode_FromFormat("task #%u", who);
    return named ? Py_NewRef(name) : PyUnicode_FromFormat("%U #%u", name, who);
}

static int is_whole(PyObject *verb) { /* as what_it_waits_for(): says all, with nothing of what it is on */
    return PyUnicode_FindChar(verb, '.', 0, PyUnicode_GET_LENGTH(verb), 1) >= 0 ||
           !PyUnicode_CompareWithASCIIString(verb, "TaskGroup") || !PyUnicode_CompareWithASCIIString(verb, "tasks");
}

static int is_descriptor(PyObject *verb) {
    return !PyUnicode_CompareWithASCIIString(verb, "readable") || !PyUnicode_CompareWithASCIIString(verb, "writable");
}

static PyObject *wait_text(Record *record) {
    PyObject *verb = record->text, *type = record->kind == WAIT || record->kind == WAIT_CALL ? word(record->by) : NULL;
    if (record->kind == WAIT_CALL)
        return type ? PyUnicode_FromFormat("%U %U", type, verb) : Py_NewRef(verb);
    if (record->kind == WAIT_TASK)
        return PyUnicode_FromString("task");
    if (!verb)
        return PyUnicode_FromString("something");
    if (record->kind == WAIT_NUMBER)
        return is_descriptor(verb) ? PyUnicode_FromFormat("descriptor %d %U", (int)record->by, verb)
                                   : PyUnicode_FromFormat("%U %d", verb, (int)record->by);
    return !type || is_whole(verb) ? Py_NewRef(verb) : PyUnicode_FromFormat("%U of <%U>", verb, type);
}

static PyObject *text_of(Record *record) {
    switch (record->kind) {
    case SPAWN:
    case END:
        return label(record->text, record->who, record->named);
    case YIELD:
        return Py_NewRef(none);
    case WAIT:
    case WAIT_TASK:
    case WAIT_NUMBER:
    case WAIT_CALL:
        return wait_text(record);
    default:
        return Py_NewRef(record->text ? record->text : none);
    }
}

typedef struct {
    Record record;
    uint64_t number;
    int64_t time;
} Copy;

static PyObject *event_of(Copy *copy) {
    Record *record = &copy->record;
    PyObject *event = PyStructSequence_New(event_type);
    if (!event)
        return NULL;
    int state = record->kind == END ? (int)record->by - DONE : -1;
    PyObject *fields[] = {
        PyLong_FromUnsignedLongLong(copy->number),
        PyFloat_FromDouble(copy->time / 1e9),
        Py_NewRef(names[record->kind]),
        PyLong_FromLong(record->loop),
        PyLong_FromUnsignedLong(record->who),
        PyLong_FromUnsignedLong(kinds[record->kind].says_by ? record->by : 0),
        text_of(record),
        Py_NewRef(state >= 0 && state < 3 ? ends[state] : none),
    };
    int complete = 1;
    for (int field = 0; field < (int)(sizeof fields / sizeof *fields); field++) {
        complete = complete && fields[field];
        PyStructSequence_SET_ITEM(event, field, fields[field]);
    }
    if (!complete)
        Py_CLEAR(event);
    return event;
}

/* read(first, limit): the events from this number on, or from the oldest one kept. They are copied before anything is made
 * of them: that may start a collection, which may run Python code, and then the Tape goes on (R1). */
static PyObject *tape_read(Tape *tape, PyObject *args) {
    unsigned long long first;
    Py_ssize_t limit, n = 0;
    if (!PyArg_ParseTuple(args, "Kn", &first, &limit))
        return NULL;
    if (limit < 0 || (uint64_t)limit > tape->count)
        limit = (Py_ssize_t)tape->count;
    Copy *copies = limit ? PyMem_RawMalloc(limit * sizeof *copies) : NULL;
    if (limit && !copies)
        return PyErr_NoMemory();
    for (Block *block = tape->oldest; block; block = block->next)
        for (int i = first > block->first ? (int)Py_MIN(first - block->first, (uint64_t)block->n) : 0;
             i < block->n && n < limit; i++) {
            copies[n++] = (Copy){block->records[i], block->first + i, block->begin + (int64_t)block->records[i].after};
            Py_XINCREF(block->records[i].text);
        }
    PyObject *list = PyList_New(n);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *event = list ? event_of(&copies[i]) : NULL;
        if (event)
            PyList_SET_ITEM(list, i, event);
        else
            Py_CLEAR(list);
        Py_XDECREF(copies[i].record.text);
    }
    PyMem_RawFree(copies);
    return list;
}

/* A dict of labels by number; steals the names and frees the list. */
PyObject *label_all(Name *all, Py_ssize_t n) {
    PyObject *dict = PyDict_New();
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *text = dict ? label(all[i].name, all[i].number, all[i].named) : NULL;
        PyObject *number = text ? PyLong_FromUnsignedLong(all[i].number) : NULL;
        if (!number || PyDict_SetItem(dict, number, text))
            Py_CLEAR(dict);
        Py_XDECREF(number);
        Py_XDECREF(text);
        Py_XDECREF(all[i].name);
    }
    PyMem_RawFree(all);
    return dict;
}

/* labels(): of the tasks that events name, by number. The names are taken first, for the same reason. */
static PyObject *tape_labels(Tape *tape, PyObject *Py_UNUSED(ignored)) {
    Py_ssize_t n = 0, most = 0;
    for (Block *block = tape->oldest; block; block = block->next)
        for (int i = 0; i < block->n; i++)
            most += block->records[i].kind == SPAWN || block->records[i].kind == END;
    Name *all = PyMem_RawMalloc((most + 1) * sizeof *all);
    if (!all)
        return PyErr_NoMemory();
    for (Block *block = tape->oldest; block; block = block->next)
        for (int i = 0; i < block->n; i++) {
            Record *record = &block->records[i];
            if (record->kind == SPAWN || record->kind == END)
                all[n++] = (Name){Py_XNewRef(record->text), record->who, record->named};
        }
    return label_all(all, n);
}

/* ---- the types ---- */

static PyObject *tape_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(names)) {
    static uint32_t serials;
    Tape *tape = (Tape *)type->tp_alloc(type, 0);
    if (tape) {
        tape->serial = ++serials;
        tape->keep = 10 * 1000000000LL;
        tape->max_blocks = 1024;
    }
    return (PyObject *)tape;
}

static void tape_dealloc(Tape *tape) {
    drop_blocks(tape);
    Py_TYPE(tape)->tp_free(tape);
}

static PyObject *tape_keep(Tape *tape, PyObject *args) {
    double seconds, megabytes;
    if (!PyArg_ParseTuple(args, "dd", &seconds, &megabytes))
        return NULL;
    tape->keep = seconds < 9e9 ? (int64_t)(seconds * 1e9) : INT64_MAX / 2;
    double blocks = megabytes * 1e6 / sizeof(Block);
    tape->max_blocks = blocks < 2 ? 2 : blocks < INT_MAX ? (int)blocks : INT_MAX;
    Py_RETURN_NONE;
}

static PyObject *tape_stop(Tape *tape, PyObject *Py_UNUSED(ignored)) {
    tape->off = 1;
    Py_RETURN_NONE;
}

static PyMethodDef tape_methods[] = {
    {"keep", (PyCFunction)tape_keep, METH_VARARGS, "Keep events for so many seconds, in so many megabytes at most."},
    {"stop", (PyCFunction)tape_stop, METH_NOARGS, "Take down no more."},
    {"read", (PyCFunction)tape_read, METH_VARARGS, "A list of events from a number on, at most so many."},
    {"labels", (PyCFunction)tape_labels, METH_NOARGS, "The names of the tasks that events are about, by number."},
    {NULL}};

static PyMemberDef tape_members[] = {
    {"count", T_ULONGLONG, offsetof(Tape, count), READONLY, "The number of the next event."},
    {NULL}};

PyTypeObject TapeType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet.debug._recorder.Tape",
    .tp_doc = "The newest events.",
    .tp_basicsize = sizeof(Tape),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = tape_new,
    .tp_dealloc = (destructor)tape_dealloc,
    .tp_methods = tape_methods,
    .tp_members = tape_members,
};

static PyStructSequence_Field fields[] = {
    {"number", "consecutive over all loops; a gap: some were lost"},
    {"time", "in seconds, on the clock of time.monotonic()"},
    {"kind", "spawn, begin, yield, wait, wake, cancel, end, home, stall or frame"},
    {"loop", "whose"},
    {"task", "the number of the task; 0: the loop itself"},
    {"by", "spawn, wake, cancel: the number of the task whose doing it is, 0: the loop's; wait: of the task waited for; "
           "stall, frame: microseconds"},
    {"text", "spawn, end: the name; wait: for what; begin of the loop: what it calls; stall: where"},
    {"outcome", "end: done, failed or cancelled"},
    {NULL}};
static PyStructSequence_Desc event_desc = {"gleenlet.debug.Event", "Something that happened.", fields, 8};

int ready_reading(PyObject *module) {
    static const char *const outcomes[] = {"done", "failed", "cancelled"};
    for (size_t i = 0; i < N_KINDS; i++)
        if (!(names[i] = PyUnicode_InternFromString(kinds[i].name)))
            return -1;
    for (int i = 0; i < 3; i++)
        if (!(ends[i] = PyUnicode_InternFromString(outcomes[i])))
            return -1;
    if (!(none = PyUnicode_InternFromString("")) || !(event_type = PyStructSequence_NewType(&event_desc)))
        return -1;
    return PyModule_AddType(module, event_type) || PyModule_AddType(module, &TapeType) ? -1 : 0;
}
