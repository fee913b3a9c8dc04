/* Work for other threads, and the threads that do it. Above all this stands _sync/threads.py.
 *
 * From give() on nothing is allocated until who waits is woken: what fails meanwhile for want of memory is the function's
 * own outcome, and nobody waits for ever. So a Work is an Item: it queues for a thread, and then for the loop. All but the
 * wait for the next Work happens with the GIL held. */
#include "core.h"

#include <errno.h>
#include <semaphore.h>
#include <structmember.h>

typedef struct {
    ITEM_HEAD
    PyObject *func;                         /* NULL once it has begun, or was called off */
    PyObject *result, *error;               /* one of the two, once it has ended */
    PyObject *late;                         /* late(error): the function failed, and nobody waits any more */
    Waiter *waiter;                         /* who is woken at the end */
} Work;

static void work_tell(Hub *hub, Item *item) {
    Work *work = (Work *)item;
    int woken = wake(work->waiter, Py_None, WOKEN);
    PyObject *told = woken || !work->error ? NULL : PyObject_CallOneArg(work->late, work->error);
    if (PyErr_Occurred())
        report(hub, work->late);
    Py_XDECREF(told);
    Py_DECREF(work);
}

static const Kind work_kind = {WORK, push, work_tell, NULL};

static PyObject *work_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(names)) {
    PyObject *func, *late;
    Waiter *waiter;
    Work *work = NULL;
    if (PyArg_ParseTuple(args, "OO!O", &func, &WaiterType, &waiter, &late) && (work = (Work *)type->tp_alloc(type, 0))) {
        init_item(work, waiter->hub, &work_kind);
        work->func = Py_NewRef(func);
        work->late = Py_NewRef(late);
        work->waiter = (Waiter *)Py_NewRef(waiter);
    }
    return (PyObject *)work;
}

static int work_traverse(Work *work, visitproc visit, void *arg) {
    Py_VISIT(work->hub);
    Py_VISIT(work->func);
    Py_VISIT(work->result);
    Py_VISIT(work->error);
    Py_VISIT(work->late);
    return 0;
}

static int work_clear(Work *work) {
    Py_CLEAR(work->func);
    Py_CLEAR(work->result);
    Py_CLEAR(work->error);
    Py_CLEAR(work->late);
    return 0;
}

static void work_dealloc(Work *work) {
    PyObject_GC_UnTrack(work);
    work_clear(work);
    Py_CLEAR(work->waiter);
    Py_CLEAR(work->hub);
    Py_TYPE(work)->tp_free(work);
}

static PyObject *work_call(Work *work, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(names)) { /* in the other thread */
    PyObject *func = work->func;
    if (func) {
        work->func = NULL;
        work->result = PyObject_CallNoArgs(func);
        if (!work->result)
            work->error = take_exception();
        Py_DECREF(func);
        if (work->hub->open) {
            push((Item *)Py_NewRef(work));
            context_wakeup(work->hub->context);
        }
    }
    Py_RETURN_NONE;
}

static PyObject *work_call_off(Work *work, PyObject *Py_UNUSED(ignored)) {
    Py_CLEAR(work->func);
    Py_RETURN_NONE;
}

static PyObject *work_outcome(Work *work, PyObject *Py_UNUSED(ignored)) {
    PyObject *error = work->error, *result = work->result;
    work->error = work->result = NULL; /* an exception would be in a cycle with the frame it is raised in */
    if (error)
        raise_exception(error);
    else if (!result)
        PyErr_SetString(GleenletError, "it has no outcome yet, or was asked for it before");
    return result;
}

static PyMethodDef work_methods[] = {
    {"call_off", (PyCFunction)work_call_off, METH_NOARGS, "Do not begin it. What runs already goes on."},
    {"outcome", (PyCFunction)work_outcome, METH_NOARGS, "Return or raise what it ended by, once."},
    {NULL}};

static PyMemberDef work_members[] = {
    {"error", T_OBJECT, offsetof(Work, error), READONLY, "the exception that it ended by, or None"},
    {NULL}};

PyTypeObject WorkType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._core._native.Work",
    .tp_doc = "A function for another thread, and who waits for it.",
    .tp_basicsize = sizeof(Work),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = work_new,
    .tp_call = (ternaryfunc)work_call,
    .tp_traverse = (traverseproc)work_traverse,
    .tp_clear = (inquiry)work_clear,
    .tp_dealloc = (destructor)work_dealloc,
    .tp_methods = work_methods,
    .tp_members = work_members,
};

/* ---- Workers: threads that are made when they are needed, and kept ---- */

typedef struct {
    PyObject_HEAD
    PyObject *start, *begin;                /* start(func, args), _thread's; begin() is called first in each thread */
    sem_t works;                            /* as many as there are in the queue */
    Item *head, *tail;
    int most, threads;
    int pending;                            /* Works that are not done yet */
} Workers;

static PyObject *workers_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(names)) {
    int most;
    PyObject *start, *begin;
    if (!PyArg_ParseTuple(args, "iOO", &most, &start, &begin))
        return NULL;
    Workers *workers = (Workers *)type->tp_alloc(type, 0);
    if (workers) {
        sem_init(&workers->works, 0, 0);
        workers->most = most;
        workers->start = Py_NewRef(start);
        workers->begin = Py_NewRef(begin);
    }
    return (PyObject *)workers;
}

static void workers_dealloc(Workers *workers) { /* it had no threads, which keep it; or this is a forked child */
    while (workers->head) {
        Item *work = workers->head;
        workers->head = work->next;
        Py_DECREF(work);
    }
    Py_CLEAR(workers->start);
    Py_CLEAR(workers->begin);
    Py_TYPE(workers)->tp_free(workers);
}

static PyObject *workers_serve(Workers *workers, PyObject *Py_UNUSED(ignored)) { /* a thread, for as long as there is one */
    PyObject *begun = NULL;
    for (int i = 0; !begun && i < 10; i++) { /* it may fail for want of memory; the thread has to go on nevertheless */
        PyErr_Clear();
        begun = PyObject_CallNoArgs(workers->begin);
    }
    if (!begun)
        PyErr_WriteUnraisable(workers->begin);
    Py_XDECREF(begun);
    for (;;) {
        Py_BEGIN_ALLOW_THREADS;
        while (sem_wait(&workers->works) && errno == EINTR)
            ;
        Py_END_ALLOW_THREADS;
        Item *work = workers->head;
        workers->head = work->next;
        Py_XDECREF(work_call((Work *)work, NULL, NULL));
        workers->pending--;
        Py_DECREF(work);
    }
    Py_UNREACHABLE();
}

static PyMethodDef serve_def = {"serve", (PyCFunction)workers_serve, METH_NOARGS, NULL};

static PyObject *workers_give(Workers *workers, PyObject *object) {
    Item *work = (Item *)object;
    if (!PyObject_TypeCheck(object, &WorkType))
        return PyErr_Format(PyExc_TypeError, "a Work is needed, not %.100s", Py_TYPE(object)->tp_name);
    if (workers->pending >= workers->threads && workers->threads < workers->most) {
        PyObject *serve = PyCFunction_New(&serve_def, (PyObject *)workers), *nothing = PyTuple_New(0);
        PyObject *thread = serve && nothing ? PyObject_CallFunctionObjArgs(workers->start, serve, nothing, NULL) : NULL;
        Py_XDECREF(serve);
        Py_XDECREF(nothing);
        if (!thread)
            return NULL;
        Py_DECREF(thread);
        workers->threads++; /* it waits for the GIL before it does anything; and so for us */
    }
    Py_INCREF(work);
    work->next = NULL;
    if (workers->head)
        workers->tail->next = work;
    else
        workers->head = work;
    workers->tail = work;
    workers->pending++;
    sem_post(&workers->works);
    Py_RETURN_NONE;
}

static PyMethodDef workers_methods[] = {
    {"give", (PyCFunction)workers_give, METH_O, "Have a Work done. Raises: what starting a thread raises; it is not done then."},
    {NULL}};

static PyMemberDef workers_members[] = {
    {"threads", T_INT, offsetof(Workers, threads), READONLY, "how many there are"},
    {"pending", T_INT, offsetof(Workers, pending), READONLY, "how many Works are not done yet"},
    {NULL}};

PyTypeObject WorkersType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "gleenlet._core._native.Workers",
    .tp_doc = "At most so many daemon threads, made when they are needed and kept.",
    .tp_basicsize = sizeof(Workers),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = workers_new,
    .tp_dealloc = (destructor)workers_dealloc,
    .tp_methods = workers_methods,
    .tp_members = workers_members,
};
