/* Python values into a GVariant: containers and variants. */
#include "gvariant.h"
#include <string.h>

/* ---- children: what a container is made of ---- */

typedef struct {
    GVariant **items;                       /* floating (V3) */
    Py_ssize_t n;
    GVariant *few[16];
} Children;

static int start_children(Children *children, Py_ssize_t most) { /* -1: an error is set */
    children->n = 0;
    children->items = most * sizeof *children->few <= sizeof children->few ? children->few : PyMem_Malloc(most * sizeof *children->items);
    if (!children->items)
        PyErr_NoMemory();
    return children->items ? 0 : -1;
}

static void drop_children(Children *children) {
    for (Py_ssize_t i = 0; i < children->n; i++)
        g.variant_unref(children->items[i]);
    if (children->items != children->few)
        PyMem_Free(children->items);
}

static int add_child(Children *children, GVariant *child) { /* steals it; NULL: an error is set */
    if (!child)
        return -1;
    children->items[children->n++] = child;
    return 0;
}

/* An array of `element`s, or a struct where that is NULL. `failed`: there are not all children. */
static GVariant *give_children(Children *children, const char *element, int failed) {
    GVariant *container = failed    ? NULL
                          : element ? g.variant_new_array(element, children->items, children->n)
                                    : g.variant_new_tuple(children->items, children->n);
    if (container)
        children->n = 0; /* it has sunk them */
    drop_children(children);
    return container;
}

/* ---- arrays ---- */

static void *refuse(const char *type, const char *needs, PyObject *value, const Place *place) {
    PyObject *name = PyUnicode_FromStringAndSize(type, type_end(type) - type);
    if (name)
        fail_at(place, PyExc_TypeError, "'%U' needs %s, not %.80R", name, needs, value);
    Py_XDECREF(name);
    return NULL;
}

static GVariant *pack_bytes(PyObject *value, const Place *place) {
    Py_buffer view;
    if (!PyBytes_Check(value) && !PyByteArray_Check(value) && !PyMemoryView_Check(value))
        return fail_at(place, PyExc_TypeError, "'ay' needs bytes, not %.80R", value);
    if (PyObject_GetBuffer(value, &view, PyBUF_FULL_RO))
        return NULL;
    GVariant *array = NULL;
    uint8_t *copy = NULL;
    if (PyBuffer_IsContiguous(&view, 'C'))
        array = g.variant_new_fixed_array("y", view.buf, view.len, 1);
    else if (!(copy = PyMem_Malloc(view.len)))
        PyErr_NoMemory();
    else if (!PyBuffer_ToContiguous(copy, &view, view.len, 'C'))
        array = g.variant_new_fixed_array("y", copy, view.len, 1);
    PyMem_Free(copy);
    PyBuffer_Release(&view);
    return array;
}

static GVariant *pack_numbers(const char *element, PyObject *items, const Place *outer) {
    Py_ssize_t n = PySequence_Fast_GET_SIZE(items), size = 1;
    uint8_t *numbers = PyMem_Malloc(n * sizeof(Number) + 1);
    if (!numbers)
        return (GVariant *)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < n && size > 0; i++) {
        Place place = {outer, ITEM, i, NULL};
        Number number;
        PyObject *item = Py_NewRef(PySequence_Fast_GET_ITEM(items, i)); /* V4 */
        size = pack_number(*element, item, &number, &place);
        Py_DECREF(item);
        if (size > 0)
            memcpy(numbers + i * size, &number, size);
    }
    GVariant *array = !n         ? g.variant_new_array(element, NULL, 0)
                      : size > 0 ? g.variant_new_fixed_array(element, numbers, n, size)
                                 : NULL;
    PyMem_Free(numbers);
    return array;
}

static GVariant *pack_items(const char *element, PyObject *items, const Place *outer, int depth) {
    Children children;
    Py_ssize_t n = PySequence_Fast_GET_SIZE(items); /* there may be fewer or more soon (V4) */
    int failed = start_children(&children, n);
    for (Py_ssize_t i = 0; i < n && i < PySequence_Fast_GET_SIZE(items) && !failed; i++) {
        Place place = {outer, ITEM, i, NULL};
        failed = add_child(&children, pack_value(element, PySequence_Fast_GET_ITEM(items, i), &place, depth));
    }
    return give_children(&children, element, failed);
}

static GVariant *pack_list(const char *type, PyObject *value, const Place *place, int depth) {
    const char *element = type + 1;
    if (*element == 'y')
        return pack_bytes(value, place);
    if (!PyList_Check(value) && !PyTuple_Check(value))
        return refuse(type, "a list", value, place);
    return number_size(*element) ? pack_numbers(element, value, place)
                                         : pack_items(element, value, place, depth + 1);
}

static GVariant *pack_entry(const char *entry, PyObject *key, PyObject *value, const Place *outer, int depth) {
    Place key_place = {outer, KEY, 0, key}, value_place = {outer, VALUE, 0, key};
    GVariant *name = pack_value(entry + 1, key, &key_place, depth);
    GVariant *content = name ? pack_value(entry + 2, value, &value_place, depth) : NULL;
    if (content)
        return g.variant_new_dict_entry(name, content);
    if (name)
        g.variant_unref(name);
    return NULL;
}

static GVariant *pack_dict(const char *type, PyObject *value, const Place *place, int depth) {
    if (!PyDict_Check(value))
        return refuse(type, "a dict", value, place);
    Children children;
    Py_ssize_t n = PyDict_GET_SIZE(value);
    PyObject *key, *item;
    int failed = start_children(&children, n);
    for (Py_ssize_t at = 0; !failed && children.n < n && PyDict_Next(value, &at, &key, &item);) {
        Py_INCREF(key); /* V4 */
        failed = add_child(&children, pack_entry(type + 1, key, item, place, depth + 2));
        Py_DECREF(key);
    }
    return give_children(&children, type + 1, failed);
}

/* ---- structs ---- */

static GVariant *pack_struct(const char *type, PyObject *value, const Place *outer, int depth) {
    Py_ssize_t n = 0;
    for (const char *member = type + 1; *member != ')'; member = type_end(member))
        n++;
    if (!PyTuple_Check(value))
        return refuse(type, "a tuple", value, outer);
    if (PyTuple_GET_SIZE(value) != n)
        return fail_at(outer, PyExc_TypeError, "a tuple of %zd is needed, not one of %zd: %.80R", n,
                       PyTuple_GET_SIZE(value), value);
    Children children;
    int failed = start_children(&children, n);
    const char *member = type + 1;
    for (Py_ssize_t i = 0; i < n && !failed; i++, member = type_end(member)) {
        Place place = {outer, outer ? ITEM : ARGUMENT, outer ? i : i + 1, NULL};
        failed = add_child(&children, pack_value(member, PyTuple_GET_ITEM(value, i), &place, outer ? depth + 1 : depth));
    }
    return give_children(&children, NULL, failed);
}

/* ---- variants ---- */

/* A GLib.Variant may hold what D-Bus has not: maybes, empty structs, more levels (V2). */
static int fits(GVariant *variant, int depth) {
    const char *type = g.variant_get_type_string(variant);
    if (!strchr(type, 'v'))
        return depth + nesting(type) <= MAX_DEPTH;
    if (depth >= MAX_DEPTH)
        return 0;
    size_t n = g.variant_n_children(variant);
    int result = 1;
    for (size_t i = 0; i < n && result; i++) {
        GVariant *child = g.variant_get_child_value(variant, i);
        result = (*type != 'v' || is_single(g.variant_get_type_string(child))) && fits(child, depth + 1);
        g.variant_unref(child);
    }
    return result;
}

static GVariant *pack_glib(PyObject *value, const Place *place, int depth) {
    GVariant *variant = open_variant(value), *result = NULL;
    if (variant && (!is_single(g.variant_get_type_string(variant)) || !fits(variant, depth + 1)))
        fail_at(place, PyExc_ValueError, "D-Bus has no type for %.80R, or it is nested too deep", value);
    else if (variant)
        result = g.variant_new_variant(variant);
    if (variant)
        g.variant_unref(variant);
    return result;
}

static GVariant *pack_plain(PyObject *value, const Place *place, int depth) {
    const char *simple = simple_type(value);
    Text *text = simple ? NULL : PyMem_Malloc(sizeof *text);
    GVariant *content = NULL;
    if (simple)
        content = pack_value(simple, value, place, depth + 1);
    else if (!text)
        PyErr_NoMemory();
    else if (!natural_type(value, text, place))
        content = pack_value(text->text, value, place, depth + 1);
    PyMem_Free(text);
    return content ? g.variant_new_variant(content) : NULL;
}

/* ---- all ---- */

static GVariant *pack_held(const char *type, PyObject *value, const Place *place, int depth) {
    int dict = type[0] == 'a' && type[1] == '{';
    if (strchr("a(v", *type) && depth + 1 + dict > MAX_DEPTH)
        return fail_at(place, PyExc_ValueError, "nested deeper than the %d levels of D-Bus", MAX_DEPTH);
    switch (*type) {
    case 's':
    case 'o':
    case 'g': return pack_string(*type, value, place);
    case 'a': return dict ? pack_dict(type, value, place, depth) : pack_list(type, value, place, depth);
    case '(': return pack_struct(type, value, place, depth);
    case 'v':
        return PyObject_TypeCheck(value, VariantType) ? pack_glib(value, place, depth) : pack_plain(value, place, depth);
    }
    Number number;
    return pack_number(*type, value, &number, place) < 0 ? NULL : new_number(*type, &number);
}

GVariant *pack_value(const char *type, PyObject *value, const Place *place, int depth) {
    Py_INCREF(value); /* V4 */
    GVariant *variant = pack_held(type, value, place, depth);
    Py_DECREF(value);
    return variant;
}
