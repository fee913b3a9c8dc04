/* Python's allocators with one allocation that fails, and who asked for it: _testcapi.set_nomemory says when, not who. */
#define _GNU_SOURCE
#include <Python.h>

#include <dlfcn.h>
#include <execinfo.h>
#include <string.h>
#include <unistd.h>

static PyMemAllocatorEx before[3];
static const PyMemAllocatorDomain domains[] = {PYMEM_DOMAIN_RAW, PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ};
static long left;                           /* until the one that fails */
static int told;                            /* the descriptor that is told who asked */

/* The library whose call into Python led here; or a function of Python's own which is known not to stand it. It is told at
 * once: the process may not live long. */
static void tell(void) {
    void *frames[200];
    Dl_info info, python, own;
    int n = backtrace(frames, 200);
    const char *name = "python";
    dladdr((void *)PyObject_Malloc, &python);
    dladdr((void *)tell, &own);
    for (int i = 0; i < n; i++) {
        if (!dladdr(frames[i], &info) || info.dli_fbase == own.dli_fbase)
            continue;
        if (info.dli_sname && !strcmp(info.dli_sname, "PyFunction_NewWithQualName")) {
            name = info.dli_sname;
            break;
        }
        if (info.dli_fbase == python.dli_fbase)
            continue;
        const char *file = strrchr(info.dli_fname, '/');
        file = file ? file + 1 : info.dli_fname;
        if (!strncmp(file, "libstdc++", 9) || !strncmp(file, "libc.", 5) || !strncmp(file, "libc-", 5))
            continue;
        name = file;
        break;
    }
    if (write(told, name, strlen(name)) < 0)
        return;
}

static int fails(void) {
    if (__atomic_sub_fetch(&left, 1, __ATOMIC_SEQ_CST))
        return 0;
    tell();
    return 1;
}

static void *scarce_malloc(void *ctx, size_t size) {
    PyMemAllocatorEx *real = ctx;
    return fails() ? NULL : real->malloc(real->ctx, size);
}

static void *scarce_calloc(void *ctx, size_t n, size_t size) {
    PyMemAllocatorEx *real = ctx;
    return fails() ? NULL : real->calloc(real->ctx, n, size);
}

static void *scarce_realloc(void *ctx, void *place, size_t size) {
    PyMemAllocatorEx *real = ctx;
    return fails() ? NULL : real->realloc(real->ctx, place, size);
}

static void scarce_free(void *ctx, void *place) {
    PyMemAllocatorEx *real = ctx;
    real->free(real->ctx, place);
}

/* fail(point, fd): from now on the allocation of this number fails; fd is told whose it was */
static PyObject *fail(PyObject *Py_UNUSED(module), PyObject *args) {
    void *frames[4];
    if (!PyArg_ParseTuple(args, "li", &left, &told))
        return NULL;
    backtrace(frames, 4); /* the first one allocates */
    for (int i = 0; i < 3; i++) {
        PyMem_GetAllocator(domains[i], &before[i]);
        PyMemAllocatorEx scarce = {&before[i], scarce_malloc, scarce_calloc, scarce_realloc, scarce_free};
        PyMem_SetAllocator(domains[i], &scarce);
    }
    Py_RETURN_NONE;
}

static PyObject *enough(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored)) {
    for (int i = 0; i < 3 && before[i].malloc; i++)
        PyMem_SetAllocator(domains[i], &before[i]);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {{"fail", fail, METH_VARARGS, NULL}, {"enough", enough, METH_NOARGS, NULL}, {NULL}};

static PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "scarce", .m_size = -1, .m_methods = functions};

PyMODINIT_FUNC PyInit_scarce(void) { return PyModule_Create(&module); }
