/* What all files name: greenlet's functions, strings, and the errors that Python defines. */
#include "core.h"

#include "../library.h"

void **greenlet_api;
PyObject *GleenletError, *QueueEmpty, *QueueFull, *QueueShutDown;

#define WORD(name, text) PyObject *name;
WORDS(WORD)
#undef WORD

int know_words(void) {
#define WORD(name, text) (name = PyUnicode_InternFromString(text)) &&
    return WORDS(WORD) 1 ? 0 : -1;
#undef WORD
}

int know_errors(void) {
    const char *module = "gleenlet._core.errors";
    return (GleenletError = import_from(module, "GleenletError")) && (QueueEmpty = import_from(module, "QueueEmpty")) &&
                   (QueueFull = import_from(module, "QueueFull")) &&
                   (QueueShutDown = import_from(module, "QueueShutDown"))
               ? 0
               : -1;
}
