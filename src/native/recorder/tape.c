/* Tape: a queue of blocks of events. A new block is one that is too old to be kept, if there is one, else one more; where
 * that would be too much memory, the oldest. */
#include "recorder.h"

#include <structmember.h>

static void empty(Block *block) {
    for (int i = 0; i < block->n; i++)
        Py_XDECREF(block->records[i].text);
    block->n = 0;
}

static Block *take_oldest(Tape *tape) {
    Block *block = tape->oldest;
    tape->oldest = block->next;
    tape->n_blocks--;
    empty(block);
    return block;
}

__attribute__((noinline)) static Block *next_block(Tape *tape, int64_t now) {
    Block *block = NULL;
    while (tape->oldest != tape->newest && tape->oldest->last < now - tape->keep) { /* one to use, the others are given back */
        PyMem_RawFree(block);
        block = take_oldest(tape);
    }
    if (!block && tape->n_blocks >= tape->max_blocks && tape->oldest != tape->newest)
        block = take_oldest(tape);
    if (!block && !(block = PyMem_RawMalloc(sizeof *block))) {
        if (!tape->newest || tape->oldest == tape->newest)
            return NULL;
        block = take_oldest(tape);
    }
    block->next = NULL;
    block->begin = block->last = now;
    block->first = tape->count;
    block->n = 0;
    if (tape->newest)
        tape->newest->next = block;
    else
        tape->oldest = block;
    tape->n_blocks++;
    return tape->newest = block;
}

void put(Tape *tape, int64_t now, unsigned loop, int kind, int named, uint32_t who, uint32_t by, PyObject *text) {
    Block *block = tape->newest;
    if (!block || block->n == BLOCK_EVENTS || now - block->begin >= BLOCK_NS)
        block = next_block(tape, now);
    tape->count++; /* also if it is lost, which shows as a gap */
    if (!block)
        return;
    block->last = now;
    block->records[block->n++] = (Record){(uint64_t)(now - block->begin), kind, named, loop, who, by, Py_XNewRef(text)};
}

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
    while (tape->oldest) {
        Block *block = tape->oldest;
        tape->oldest = block->next;
        empty(block);
        PyMem_RawFree(block);
    }
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
