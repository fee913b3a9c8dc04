/* Where a Python stack begins, and the self-test of what this file knows of it: CPython's private layout. */
#include "core.h"

/* A Fiber's Python stack begins with a small chunk of ours instead of CPython's 16 KiB, of which a sleeping task touches
 * a page: that would be more than half of its memory. It is laid out as push_chunk (CPython, Python/pystate.c) does it,
 * whose next chunks follow when this one is full; greenlet frees it, as any, when the Fiber has ended. */
__attribute__((noinline)) void begin_python_stack(int size) {
    PyThreadState *state = PyThreadState_Get();
    if (!size || state->datastack_chunk)
        return;
    PyObjectArenaAllocator arenas;
    PyObject_GetArenaAllocator(&arenas);
    _PyStackChunk *chunk = arenas.alloc(arenas.ctx, size);
    if (!chunk)
        return;
    chunk->previous = NULL;
    chunk->size = size;
    chunk->top = 0;
    state->datastack_chunk = chunk;
    state->datastack_top = &chunk->data[1]; /* so that the first frame's end never frees the chunk */
    state->datastack_limit = (PyObject **)((char *)chunk + chunk->size);
}

/* ---- the self-test: one round trip through one chunk ---- */

static struct {
    _PyStackChunk *chunk;                   /* ours, whose greenlet is tried */
    int inside, beyond;                     /* a frame was seen in it, and one in a chunk that followed it */
} trip;

static int at_its_beginning(PyThreadState *state) {
    return state->datastack_chunk == trip.chunk && !trip.chunk->previous && state->datastack_top == &trip.chunk->data[1] &&
           state->datastack_limit == (PyObject **)((char *)trip.chunk + trip.chunk->size);
}

static PyObject *look_at_stack(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) { /* below Python frames */
    PyThreadState *state = PyThreadState_Get();
    _PyStackChunk *now = state->datastack_chunk;
    PyObject **top = state->datastack_top;
    int sound = now && top > now->data && top <= state->datastack_limit &&
                state->datastack_limit == (PyObject **)((char *)now + now->size);
    trip.inside |= sound && now == trip.chunk && top > &now->data[1];
    trip.beyond |= sound && now && now->previous == trip.chunk;
    Py_RETURN_NONE;
}

PyObject *core_try_stack_chunk(PyObject *Py_UNUSED(module), PyObject *args) {
    static PyMethodDef look = {"look", look_at_stack, METH_NOARGS, NULL};
    PyThreadState *state = PyThreadState_Get();
    PyObject *descend;
    int size;
    if (!PyArg_ParseTuple(args, "iO:try_stack_chunk", &size, &descend))
        return NULL;
    if (state->datastack_chunk || getenv("GLEENLET_BLIND_CHUNK")) /* a greenlet's stack does not begin with none */
        Py_RETURN_FALSE;
    begin_python_stack(size);
    trip.chunk = state->datastack_chunk;
    trip.inside = trip.beyond = 0;
    if (!trip.chunk)
        Py_RETURN_FALSE;
    int sound = at_its_beginning(state);
    PyObject *func = PyCFunction_New(&look, NULL);
    PyObject *result = func ? PyObject_CallOneArg(descend, func) : NULL;
    Py_XDECREF(func);
    if (!result)
        return NULL;
    Py_DECREF(result);
    return PyBool_FromLong(sound && trip.inside && trip.beyond && at_its_beginning(state));
}
