/* The type of a plain Python value where the signature says "v":
 *   bool b, int i (x, then t, where it is too large), float d, str s, bytes ay, tuple a struct,
 *   dict a{kv} with the type of its keys, a{sv} if it is empty,
 *   list an array of what its items are, av if it is empty or they differ.
 * All else has to say its type: GLib.Variant("u", 5). */
#include "gvariant.h"
#include <string.h>

static int append(Text *type, const char *more, const Place *place) {
    size_t n = strlen(more);
    if (type->length + n >= sizeof type->text) {
        fail_at(place, PyExc_ValueError, "nested too deep for D-Bus");
        return -1;
    }
    memcpy(type->text + type->length, more, n + 1);
    type->length += n;
    return 0;
}

const char *simple_type(PyObject *value) { /* NULL: it has none, or is a container of others */
    if (PyBool_Check(value))
        return "b";
    if (PyLong_Check(value)) {
        int overflow;
        long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
        return overflow ? "t" : number >= INT32_MIN && number <= INT32_MAX ? "i" : "x"; /* too large for "t" is pack's to say */
    }
    return PyFloat_Check(value)                                                                    ? "d"
           : PyUnicode_Check(value)                                                                ? "s"
           : PyBytes_Check(value) || PyByteArray_Check(value) || PyMemoryView_Check(value)         ? "ay"
           : PyObject_TypeCheck(value, VariantType)                                                ? "v"
                                                                                                   : NULL;
}

static int infer(PyObject *value, Text *type, const Place *outer, int depth);

static int infer_list(PyObject *list, Text *type, const Place *outer, int depth) {
    size_t first = type->length + 1;
    if (append(type, PyList_GET_SIZE(list) ? "a" : "av", outer))
        return -1;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        Place place = {outer, ITEM, i, NULL};
        size_t next = type->length;
        if (infer(PyList_GET_ITEM(list, i), type, &place, depth))
            return -1;
        if (!i)
            continue;
        int same = type->length - next == next - first && !memcmp(type->text + first, type->text + next, next - first);
        type->text[type->length = next] = 0;
        if (!same) {
            type->length = first;
            return append(type, "v", outer);
        }
    }
    return 0;
}

static int infer_dict(PyObject *dict, Text *type, const Place *outer) {
    PyObject *key, *value;
    char text[] = "a{?v}";
    for (Py_ssize_t at = 0; PyDict_Next(dict, &at, &key, &value);) {
        const char *kind = simple_type(key);
        if (!kind || kind[1] || *kind == 'v' || (text[2] != '?' && text[2] != *kind)) {
            fail_at(outer, PyExc_TypeError,
                    "a dict in a variant needs keys of one basic type, not %.80R: write GLib.Variant(signature, value)", dict);
            return -1;
        }
        text[2] = *kind;
    }
    if (text[2] == '?')
        text[2] = 's';
    return append(type, text, outer);
}

static int infer_tuple(PyObject *tuple, Text *type, const Place *outer, int depth) {
    if (!PyTuple_GET_SIZE(tuple)) {
        fail_at(outer, PyExc_TypeError, "D-Bus has no empty struct: () cannot go into a variant");
        return -1;
    }
    if (append(type, "(", outer))
        return -1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++) {
        Place place = {outer, ITEM, i, NULL};
        if (infer(PyTuple_GET_ITEM(tuple, i), type, &place, depth))
            return -1;
    }
    return append(type, ")", outer);
}

static int infer(PyObject *value, Text *type, const Place *place, int depth) {
    const char *simple = simple_type(value);
    if (simple)
        return append(type, simple, place);
    if (PyDict_Check(value))
        return infer_dict(value, type, place);
    if (depth < MAX_DEPTH && PyList_Check(value))
        return infer_list(value, type, place, depth + 1);
    if (depth < MAX_DEPTH && PyTuple_Check(value))
        return infer_tuple(value, type, place, depth + 1);
    if (depth < MAX_DEPTH)
        fail_at(place, PyExc_TypeError, "a variant has no natural type for %.80R: write GLib.Variant(signature, value)", value);
    else
        fail_at(place, PyExc_ValueError, "nested deeper than the 64 levels of D-Bus");
    return -1;
}

int natural_type(PyObject *value, Text *type, const Place *place) {
    type->length = 0;
    if (infer(value, type, place, 0))
        return -1;
    if (!is_single(type->text)) {
        fail_at(place, PyExc_ValueError, "nested too deep for one D-Bus type");
        return -1;
    }
    return 0;
}
