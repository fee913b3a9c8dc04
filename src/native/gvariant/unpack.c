/* A GVariant into Python values. Whatever it holds can be read: GLib puts defaults where its bytes make no sense. */
#include "gvariant.h"

static PyObject *unpack_number(char type, const void *data) {
    switch (type) {
    case 'y': return PyLong_FromLong(*(const uint8_t *)data);
    case 'b': return PyBool_FromLong(*(const uint8_t *)data);
    case 'n': return PyLong_FromLong(*(const int16_t *)data);
    case 'q': return PyLong_FromLong(*(const uint16_t *)data);
    case 'h':
    case 'i': return PyLong_FromLong(*(const int32_t *)data);
    case 'u': return PyLong_FromUnsignedLong(*(const uint32_t *)data);
    case 'x': return PyLong_FromLongLong(*(const int64_t *)data);
    case 't': return PyLong_FromUnsignedLongLong(*(const uint64_t *)data);
    default: return PyFloat_FromDouble(*(const double *)data);
    }
}

static PyObject *unpack_numbers(GVariant *variant, char type, int size) {
    size_t n;
    const char *data = g.variant_get_fixed_array(variant, &n, size);
    if (type == 'y')
        return PyBytes_FromStringAndSize(n ? data : "", n);
    PyObject *list = PyList_New(n);
    for (size_t i = 0; list && i < n; i++) {
        PyObject *item = unpack_number(type, data + i * size);
        if (item)
            PyList_SET_ITEM(list, i, item);
        else
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *unpack_child(GVariant *variant, size_t i, int depth) {
    GVariant *child = g.variant_get_child_value(variant, i);
    PyObject *value = unpack_value(child, depth);
    g.variant_unref(child);
    return value;
}

static PyObject *unpack_dict(GVariant *variant, int depth) {
    size_t n = g.variant_n_children(variant);
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict && i < n; i++) {
        GVariant *entry = g.variant_get_child_value(variant, i);
        PyObject *key = unpack_child(entry, 0, depth + 2);
        PyObject *value = key ? unpack_child(entry, 1, depth + 2) : NULL;
        if (!value || PyDict_SetItem(dict, key, value))
            Py_CLEAR(dict);
        Py_XDECREF(value);
        Py_XDECREF(key);
        g.variant_unref(entry);
    }
    return dict;
}

static PyObject *unpack_items(GVariant *variant, int is_list, int depth) {
    size_t n = g.variant_n_children(variant);
    PyObject *items = is_list ? PyList_New(n) : PyTuple_New(n);
    for (size_t i = 0; items && i < n; i++) {
        PyObject *item = unpack_child(variant, i, depth + 1);
        if (!item)
            Py_CLEAR(items);
        else if (is_list)
            PyList_SET_ITEM(items, i, item);
        else
            PyTuple_SET_ITEM(items, i, item);
    }
    return items;
}

static PyObject *unpack_content(GVariant *content, int depth) { /* of a variant, or a maybe; steals it */
    PyObject *value = content ? unpack_value(content, depth + 1) : Py_NewRef(Py_None);
    if (content)
        g.variant_unref(content);
    return value;
}

static PyObject *unpack_string(GVariant *variant) {
    size_t size;
    const char *text = g.variant_get_string(variant, &size);
    return PyUnicode_FromStringAndSize(text, size);
}

PyObject *unpack_value(GVariant *variant, int depth) {
    static const Number zero; /* where the bytes make no sense */
    const char *type = g.variant_get_type_string(variant);
    const void *number;
    int size;
    if (depth > GVARIANT_DEPTH)
        return PyErr_Format(PyExc_ValueError, "nested deeper than the %d levels of a GVariant", GVARIANT_DEPTH);
    switch (*type) {
    case 'a':
        size = number_size(type[1]);
        return type[1] == '{' ? unpack_dict(variant, depth)
               : size         ? unpack_numbers(variant, type[1], size)
                              : unpack_items(variant, 1, depth);
    case '(':
    case '{': return unpack_items(variant, 0, depth);
    case 'v': return unpack_content(g.variant_get_variant(variant), depth);
    case 'm': return unpack_content(g.variant_get_maybe(variant), depth);
    case 's':
    case 'o':
    case 'g': return unpack_string(variant);
    default: number = g.variant_get_data(variant); return unpack_number(*type, number ? number : &zero);
    }
}
