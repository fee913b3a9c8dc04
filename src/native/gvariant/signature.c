/* What a D-Bus type is: D-Bus specification, "Type System" and "Valid Signatures". */
#include "gvariant.h"
#include <string.h>

#define BASIC "ybnqiuxtdsogh"

/* Behind the type, or NULL. Not bounded by an end: a signature ends with a zero, which is no type. */
static const char *scan_type(const char *type, int arrays, int structs) {
    if (*type && strchr(BASIC "v", *type))
        return type + 1;
    if (*type == 'a') {
        if (++arrays > MAX_ARRAYS)
            return NULL;
        if (type[1] != '{')
            return scan_type(type + 1, arrays, structs);
        if (++structs > MAX_STRUCTS || !type[2] || !strchr(BASIC, type[2]))
            return NULL;
        const char *end = scan_type(type + 3, arrays, structs);
        return end && *end == '}' ? end + 1 : NULL;
    }
    if (*type++ != '(' || ++structs > MAX_STRUCTS || *type == ')')
        return NULL;
    while (type && *type != ')')
        type = scan_type(type, arrays, structs);
    return type ? type + 1 : NULL;
}

const char *type_end(const char *type) {
    while (*type == 'a')
        type++;
    int level = 0;
    do {
        level += (*type == '(' || *type == '{') - (*type == ')' || *type == '}');
        type++;
    } while (level);
    return type;
}

int is_single(const char *type) {
    const char *end = scan_type(type, 0, 0);
    return end && !*end && end - type <= MAX_SIGNATURE;
}

int is_signature(const char *types) {
    const char *start = types;
    while (types && *types)
        types = scan_type(types, 0, 0);
    return types && types - start <= MAX_SIGNATURE;
}

int nesting(const char *type) {
    int level = 0, arrays = 0, deepest = 0; /* arrays: before this character, each a level until its element is over */
    int outer[MAX_STRUCTS + 1];
    for (int open = 0; *type; type++) {
        if (*type == 'a')
            arrays++;
        else if (*type == '(' || *type == '{') {
            outer[open++] = level;
            level += arrays + 1;
            arrays = 0;
        } else if (*type == ')' || *type == '}')
            level = outer[--open];
        else {
            arrays += *type == 'v';
            deepest = level + arrays > deepest ? level + arrays : deepest;
            arrays = 0;
        }
    }
    return deepest;
}

const char *check_signature(PyObject *signature) {
    Py_ssize_t size;
    if (!PyUnicode_Check(signature)) {
        PyErr_Format(PyExc_TypeError, "a signature is a str, not %.100s", Py_TYPE(signature)->tp_name);
        return NULL;
    }
    const char *type = PyUnicode_AsUTF8AndSize(signature, &size);
    if (!type || (strlen(type) == (size_t)size && (is_single(type) || !strcmp(type, "()")))) /* a call without arguments */
        return type;
    PyErr_Format(PyExc_ValueError, "%.300R is not one D-Bus type%s", signature,
                 size > MAX_SIGNATURE   ? ": it has more than 255 characters"
                 : strchr(type, 'm')    ? ": D-Bus has no maybe"
                 : strstr(type, "()")   ? ": D-Bus has no empty struct"
                 : is_signature(type)   ? ": several go in parentheses"
                                        : "");
    return NULL;
}
