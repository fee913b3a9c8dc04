/* Numbers and strings into a GVariant. */
#include "gvariant.h"
#include <string.h>

typedef struct {
    char type;
    uint8_t size;
    int64_t low;
    uint64_t high;
} Range;

static const Range ranges[] = {
    {'y', 1, 0, UINT8_MAX},           {'n', 2, INT16_MIN, INT16_MAX}, {'q', 2, 0, UINT16_MAX},
    {'i', 4, INT32_MIN, INT32_MAX},   {'u', 4, 0, UINT32_MAX},        {'x', 8, INT64_MIN, INT64_MAX},
    {'t', 8, 0, UINT64_MAX},          {'h', 4, 0, INT32_MAX},         {'b', 1, 0, 1},
    {'d', 8, 0, 0}, /* any float */
};

static const Range *range_of(char type) {
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (ranges[i].type == type)
            return &ranges[i];
    return NULL;
}

int number_size(char type) {
    const Range *range = range_of(type);
    return range ? range->size : 0;
}

static int pack_integer(const Range *range, PyObject *value, Number *number, const Place *place) {
    int overflow = 0, is_int = PyLong_Check(value), fits = 0;
    if (is_int) {
        number->x = PyLong_AsLongLongAndOverflow(value, &overflow);
        fits = !overflow && number->x >= range->low && (number->x < 0 || (uint64_t)number->x <= range->high);
        if (overflow > 0 && range->type == 't') {
            number->t = PyLong_AsUnsignedLongLong(value);
            fits = !PyErr_Occurred();
            PyErr_Clear();
        }
    }
    if (!fits)
        fail_at(place, is_int ? PyExc_OverflowError : PyExc_TypeError, "'%c' needs an int from %lld to %llu, not %.80R",
                range->type, (long long)range->low, (unsigned long long)range->high, value);
    return fits ? 0 : -1;
}

static void narrow(const Range *range, Number *number) { /* the wide number, stored as wide as its type is */
    int64_t wide = number->x;
    if (range->size == 1)
        number->y = (uint8_t)wide;
    else if (range->size == 2)
        number->n = (int16_t)wide;
    else if (range->size == 4)
        number->i = (int32_t)wide;
}

int pack_number(char type, PyObject *value, Number *number, const Place *place) {
    const Range *range = range_of(type);
    if (type == 'b') {
        number->b = value == Py_True;
        if (PyBool_Check(value))
            return 1;
        fail_at(place, PyExc_TypeError, "'b' needs a bool, not %.80R", value);
        return -1;
    }
    if (type == 'd' || !range) { /* what is no type was refused before (V1) */
        if (!PyFloat_Check(value) && !PyLong_Check(value)) {
            fail_at(place, PyExc_TypeError, "'d' needs a float, not %.80R", value);
            return -1;
        }
        number->d = PyFloat_Check(value) ? PyFloat_AS_DOUBLE(value) : PyLong_AsDouble(value);
        return number->d == -1 && PyErr_Occurred() ? -1 : 8;
    }
    if (pack_integer(range, value, number, place))
        return -1;
    narrow(range, number);
    return range->size;
}

GVariant *new_number(char type, const Number *number) {
    switch (type) {
    case 'y': return g.variant_new_byte(number->y);
    case 'b': return g.variant_new_boolean(number->b);
    case 'n': return g.variant_new_int16(number->n);
    case 'q': return g.variant_new_uint16(number->q);
    case 'i': return g.variant_new_int32(number->i);
    case 'u': return g.variant_new_uint32(number->u);
    case 'x': return g.variant_new_int64(number->x);
    case 't': return g.variant_new_uint64(number->t);
    case 'h': return g.variant_new_handle(number->i);
    default: return g.variant_new_double(number->d);
    }
}

GVariant *pack_string(char type, PyObject *value, const Place *place) {
    Py_ssize_t size;
    if (!PyUnicode_Check(value))
        return fail_at(place, PyExc_TypeError, "'%c' needs a str, not %.80R", type, value);
    const char *text = PyUnicode_AsUTF8AndSize(value, &size);
    if (!text) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            PyErr_Clear();
            fail_at(place, PyExc_ValueError, "'%c' needs text that UTF-8 can encode, not %.80R", type, value);
        }
        return NULL;
    }
    if ((size_t)size != strlen(text))
        return fail_at(place, PyExc_ValueError, "'%c' needs text without a zero character, not %.80R", type, value);
    if (type == 's')
        return g.variant_new_string(text);
    if (type == 'o')
        return g.variant_is_object_path(text)
                   ? g.variant_new_object_path(text)
                   : fail_at(place, PyExc_ValueError, "'o' needs an object path such as '/org/example', not %.80R", value);
    return is_signature(text)
               ? g.variant_new_signature(text)
               : fail_at(place, PyExc_ValueError, "'g' needs a signature such as 'a{sv}', not %.80R", value);
}
