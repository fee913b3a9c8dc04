/* gleenlet._core._slabs: the chunks of Python stacks, served from slabs.
 *
 * Each greenlet has a Python stack of its own: a list of chunks of 16 KiB that CPython (Python/pystate.c, push_chunk)
 * gets from its arena allocator, which is mmap and munmap: two system calls and a page fault a greenlet. The arena
 * allocator is public to replace. Ours serves requests of just that size, and of a smaller one that _core asks for
 * (`SMALL`), from slabs of 4 MiB; all else, and what was allocated before, passes on to the allocator that was there.
 * A slab that is wholly free is given back to the system, but for one of each size.
 *
 * The allocator is the process's: threads share it, and subinterpreters that have a GIL of their own. Hence the lock.
 * It lives below the allocators that tracemalloc and PYTHONMALLOC replace, and calls none of Python's.
 *
 * It knows nothing of hubs, tasks or greenlets.
 */
#define PY_SSIZE_T_CLEAN
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <Python.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define SLAB (4 << 20)
#define LARGE 16384                         /* CPython's DATA_STACK_CHUNK_SIZE */
#define SMALL 2112                          /* 33 cache lines: chunks that begin at the same place of a page would */
                                            /* fight for the same few lines of the cache */
#define WORDS ((SLAB / SMALL + 63) / 64)

typedef struct {
    char *base;
    int used, word;                         /* chunks in use; no word before this one has a free chunk */
    uint64_t free[WORDS];                   /* a bit a chunk */
} Slab;

typedef struct {                            /* the slabs of one size of chunk */
    size_t size;
    Slab **slabs;                           /* by address */
    Py_ssize_t n, room, first;              /* no slab before `first` has a free chunk */
    Py_ssize_t chunks, idle;                /* chunks in use; slabs with none */
} Shelf;

static Shelf large = {.size = LARGE}, small = {.size = SMALL};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static PyObjectArenaAllocator before;       /* what we replaced */
static int installed, serving;

static Slab *add_slab(Shelf *shelf) { /* NULL: no memory */
    if (shelf->n == shelf->room) {
        Py_ssize_t room = shelf->room ? 2 * shelf->room : 16;
        Slab **slabs = realloc(shelf->slabs, room * sizeof *slabs);
        if (!slabs)
            return NULL;
        shelf->slabs = slabs;
        shelf->room = room;
    }
    Slab *slab = calloc(1, sizeof *slab);
    if (!slab)
        return NULL;
    slab->base = mmap(NULL, SLAB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (slab->base == MAP_FAILED) {
        free(slab);
        return NULL;
    }
    madvise(slab->base, SLAB, MADV_NOHUGEPAGE); /* of most chunks only the first page is ever touched */
    for (int i = 0, n = SLAB / shelf->size; i < n; i++)
        slab->free[i / 64] |= (uint64_t)1 << i % 64;
    Py_ssize_t i = shelf->n++;
    for (; i > 0 && shelf->slabs[i - 1]->base > slab->base; i--)
        shelf->slabs[i] = shelf->slabs[i - 1];
    shelf->slabs[i] = slab;
    shelf->first = i; /* all others are full */
    shelf->idle++;
    return slab;
}

static void drop_slab(Shelf *shelf, Py_ssize_t i) {
    Slab *slab = shelf->slabs[i];
    memmove(shelf->slabs + i, shelf->slabs + i + 1, (--shelf->n - i) * sizeof *shelf->slabs);
    if (shelf->first > i)
        shelf->first--;
    munmap(slab->base, SLAB);
    free(slab);
}

static Py_ssize_t find_slab(Shelf *shelf, char *chunk) { /* -1: none of ours */
    Py_ssize_t low = 0, high = shelf->n;
    while (low < high) {
        Py_ssize_t middle = (low + high) / 2;
        if (chunk < shelf->slabs[middle]->base)
            high = middle;
        else if (chunk >= shelf->slabs[middle]->base + SLAB)
            low = middle + 1;
        else
            return middle;
    }
    return -1;
}

static char *take(Shelf *shelf) { /* at the lowest address, so that the highest slabs become free */
    while (shelf->first < shelf->n && shelf->slabs[shelf->first]->used == (int)(SLAB / shelf->size))
        shelf->first++;
    Slab *slab = shelf->first < shelf->n ? shelf->slabs[shelf->first] : add_slab(shelf);
    if (!slab)
        return NULL;
    while (!slab->free[slab->word])
        slab->word++;
    int bit = __builtin_ctzll(slab->free[slab->word]);
    slab->free[slab->word] &= slab->free[slab->word] - 1;
    if (!slab->used++)
        shelf->idle--;
    shelf->chunks++;
    return slab->base + (slab->word * 64 + bit) * shelf->size;
}

static int give_back(Shelf *shelf, char *chunk) { /* 0: not one of ours */
    Py_ssize_t i = find_slab(shelf, chunk);
    if (i < 0)
        return 0;
    Slab *slab = shelf->slabs[i];
    int n = (chunk - slab->base) / shelf->size;
    slab->free[n / 64] |= (uint64_t)1 << n % 64;
    if (slab->word > n / 64)
        slab->word = n / 64;
    if (shelf->first > i)
        shelf->first = i;
    shelf->chunks--;
    if (!--slab->used && shelf->idle++) {
        shelf->idle--;
        drop_slab(shelf, i);
    }
    return 1;
}

static Shelf *shelf_of(size_t size) { return size == LARGE ? &large : size == SMALL ? &small : NULL; }

static void *slabs_alloc(void *Py_UNUSED(ctx), size_t size) {
    Shelf *shelf = shelf_of(size);
    void *chunk = NULL;
    if (shelf) {
        pthread_mutex_lock(&lock);
        if (serving)
            chunk = take(shelf);
        pthread_mutex_unlock(&lock);
    }
    return chunk ? chunk : before.alloc(before.ctx, size);
}

static void slabs_free(void *Py_UNUSED(ctx), void *chunk, size_t size) {
    Shelf *shelf = shelf_of(size);
    int ours = 0;
    if (shelf) {
        pthread_mutex_lock(&lock);
        ours = give_back(shelf, chunk);
        pthread_mutex_unlock(&lock);
    }
    if (!ours)
        before.free(before.ctx, chunk, size);
}

static void take_lock(void) { pthread_mutex_lock(&lock); }

static void drop_lock(void) { pthread_mutex_unlock(&lock); }

/* ---- what Python sees ---- */

static PyObject *slabs_install(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    const char *wish = getenv("GLEENLET_SLABS");
    if (wish && !strcmp(wish, "0"))
        Py_RETURN_FALSE;
    if (!installed) {
        PyObjectArenaAllocator ours = {NULL, slabs_alloc, slabs_free};
        pthread_atfork(take_lock, drop_lock, drop_lock);
        PyObject_GetArenaAllocator(&before);
        installed = 1; /* for good: what is in use has to come back to us, and others may have put theirs on ours */
        PyObject_SetArenaAllocator(&ours);
    }
    take_lock();
    serving = 1;
    drop_lock();
    Py_RETURN_TRUE;
}

static PyObject *slabs_stop(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    take_lock();
    serving = 0;
    drop_lock();
    Py_RETURN_NONE;
}

static PyObject *slabs_slabs(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    take_lock();
    Py_ssize_t n = large.n + small.n;
    drop_lock();
    return PyLong_FromSsize_t(n);
}

static PyObject *slabs_chunks(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    take_lock();
    Py_ssize_t n_large = large.chunks, n_small = small.chunks;
    drop_lock();
    return Py_BuildValue("nn", n_large, n_small);
}

static PyMethodDef slabs_functions[] = {
    {"install", slabs_install, METH_NOARGS,
     "Serve stack chunks from slabs from now on; False if the environment has GLEENLET_SLABS=0."},
    {"stop", slabs_stop, METH_NOARGS, "Serve no more; chunks in use are taken back as they come."},
    {"slabs", slabs_slabs, METH_NOARGS, "How many slabs there are."},
    {"chunks", slabs_chunks, METH_NOARGS, "How many chunks are in use: of 16 KiB, and small ones."},
    {NULL}};

static int slabs_exec(PyObject *module) {
    return PyModule_AddIntConstant(module, "SLAB", SLAB) || PyModule_AddIntConstant(module, "LARGE", LARGE) ||
                   PyModule_AddIntConstant(module, "SMALL", SMALL)
               ? -1
               : 0;
}

static PyModuleDef_Slot slabs_slots[] = {{Py_mod_exec, slabs_exec},
#if PY_VERSION_HEX >= 0x030C0000
                                         {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
                                         {0, NULL}};

static PyModuleDef slabs_module = {PyModuleDef_HEAD_INIT, .m_name = "gleenlet._core._slabs", .m_methods = slabs_functions,
                                   .m_slots = slabs_slots};

PyMODINIT_FUNC PyInit__slabs(void) { return PyModuleDef_Init(&slabs_module); }
