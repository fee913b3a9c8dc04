/* gleenlet.dbus._gvariant: Python values into GVariants and back, and D-Bus calls, without PyGObject in between.
 *
 * It knows GVariant, GDBus's asynchronous call, and the two conversions of PyGObject's C API; it knows nothing of
 * interfaces, proxies or tasks. The wire stays Gio's.
 *
 * Files, from below. library.c: GLib's and PyGObject's functions. signature.c: what a D-Bus type is. place.c: where in the
 * arguments an error is. natural.c: the type of a plain value in a variant. scalar.c, pack.c: there; size.c: not too much;
 * unpack.c: back. descriptors.c: files that go with a message. call.c: a call and its reply. serve.c: calls that come in.
 * module.c: what Python sees.
 *
 * Words. A signature is a string of types, "sa{sv}"; a type is one of them, "a{sv}". Types are passed as pointers into
 * the signature, ended by their grammar and not by a zero: GLib reads a GVariantType the same way. A place is the path from
 * the argument to the value at hand. The depth of a value is the number of containers around it.
 *
 * Invariants.
 *  V1  A signature is checked once, by `check_signature`; whoever reads types after that trusts it.
 *  V2  No more goes into a message than D-Bus allows (MAX_DEPTH, MAX_ARRAYS, MAX_STRUCTS, MAX_SIGNATURE, the
 *      sizes in size.c): for a message that breaks a rule the bus closes the connection, and Gio ends the process.
 *  V3  A packed GVariant is floating until somebody owns it; each container sinks its children. On an error whoever holds
 *      children drops them.
 *  V4  Packing runs no Python code and makes no object that the collector counts, so no list or dict can change while
 *      it is read. Hence exact kinds: an int is a PyLong, a list no iterator. Two exceptions, a repr() in an error's text
 *      and a `__buffer__` of a bytes' subclass, may change anything: what is packed is held, and so is a place's key.
 *  V5  No layout of PyGObject's is read: its wrappers are opened and made by its own C API, through a GValue.
 *  V6  A Call is owned by whoever waits and, until it is answered, by GDBus. Its fields change with the GIL held; only the
 *      thread whose context runs the reply's callback answers it. Who stops waiting says so (cancel), and what comes
 *      later is dropped with the Call, descriptors closed.
 *  V7  An invocation is its Answer's until that gives or refuses, and never answered twice.
 */
#ifndef GLEENLET_GVARIANT_H
#define GLEENLET_GVARIANT_H
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

#include "../library.h"

#define MAX_DEPTH 64                        /* containers around a value, variants too (D-Bus, "Message Format") */
#define MAX_ARRAYS 32                       /* in one type */
#define MAX_STRUCTS 32                      /* in one type, dict entries too */
#define MAX_SIGNATURE 255                   /* characters */
#define GVARIANT_DEPTH 128                  /* G_VARIANT_MAX_RECURSION_DEPTH: how deep others' values may be */

typedef struct GVariant GVariant;           /* GLib's, opaque */

typedef struct {                            /* GError, whose layout is public */
    uint32_t domain;
    int code;
    char *message;
} GError;

typedef struct {                            /* GValue, whose layout is public */
    size_t type;
    int64_t data[2];
} GValue;

#define TYPE_VARIANT (21 << 2)              /* G_TYPE_VARIANT: a fixed fundamental type */

#define GLIB_FUNCTIONS(X)                                                                                             \
    X(void, free, (void *))                                                                                           \
    X(GVariant *, variant_new_boolean, (int))                                                                         \
    X(GVariant *, variant_new_byte, (uint8_t))                                                                        \
    X(GVariant *, variant_new_int16, (int16_t))                                                                       \
    X(GVariant *, variant_new_uint16, (uint16_t))                                                                     \
    X(GVariant *, variant_new_int32, (int32_t))                                                                       \
    X(GVariant *, variant_new_uint32, (uint32_t))                                                                     \
    X(GVariant *, variant_new_int64, (int64_t))                                                                       \
    X(GVariant *, variant_new_uint64, (uint64_t))                                                                     \
    X(GVariant *, variant_new_handle, (int32_t))                                                                      \
    X(GVariant *, variant_new_double, (double))                                                                       \
    X(GVariant *, variant_new_string, (const char *))                                                                 \
    X(GVariant *, variant_new_object_path, (const char *))                                                            \
    X(GVariant *, variant_new_signature, (const char *))                                                              \
    X(GVariant *, variant_new_variant, (GVariant *))                                                                  \
    X(GVariant *, variant_new_array, (const char *, GVariant *const *, size_t))                                       \
    X(GVariant *, variant_new_fixed_array, (const char *, const void *, size_t, size_t))                              \
    X(GVariant *, variant_new_tuple, (GVariant *const *, size_t))                                                     \
    X(GVariant *, variant_new_dict_entry, (GVariant *, GVariant *))                                                   \
    X(void, variant_unref, (GVariant *))                                                                              \
    X(const char *, variant_get_type_string, (GVariant *))                                                            \
    X(size_t, variant_get_size, (GVariant *))                                                                         \
    X(size_t, variant_n_children, (GVariant *))                                                                       \
    X(GVariant *, variant_get_child_value, (GVariant *, size_t))                                                      \
    X(GVariant *, variant_get_variant, (GVariant *))                                                                  \
    X(GVariant *, variant_get_maybe, (GVariant *))                                                                    \
    X(const void *, variant_get_fixed_array, (GVariant *, size_t *, size_t))                                          \
    X(const void *, variant_get_data, (GVariant *))                                                                   \
    X(const char *, variant_get_string, (GVariant *, size_t *))                                                       \
    X(int, variant_is_object_path, (const char *))                                                                    \
    X(void, error_free, (GError *))                                                                                   \
    X(GError *, error_new_literal, (uint32_t, int, const char *))                                                     \
    X(uint32_t, quark_from_string, (const char *))

#define GOBJECT_FUNCTIONS(X)                                                                                          \
    X(GValue *, value_init, (GValue *, size_t))                                                                       \
    X(void, value_unset, (GValue *))                                                                                  \
    X(void, value_set_variant, (GValue *, GVariant *))                                                                \
    X(void *, value_dup_variant, (const GValue *))                                                                    \
    X(void *, value_dup_object, (const GValue *))                                                                     \
    X(void *, value_dup_boxed, (const GValue *))                                                                      \
    X(void *, object_ref, (void *))                                                                                   \
    X(void, object_unref, (void *))

#define GIO_FUNCTIONS(X)                                                                                              \
    X(size_t, dbus_connection_get_type, (void))                                                                       \
    X(int, dbus_is_name, (const char *))                                                                              \
    X(int, dbus_is_interface_name, (const char *))                                                                    \
    X(int, dbus_is_member_name, (const char *))                                                                       \
    X(void, dbus_connection_call_with_unix_fd_list,                                                                   \
      (void *, const char *, const char *, const char *, const char *, GVariant *, const char *, int, int, void *,    \
       void *, void (*)(void *, void *, void *), void *))                                                             \
    X(GVariant *, dbus_connection_call_with_unix_fd_list_finish, (void *, void **, void *, GError **))                \
    X(void *, cancellable_new, (void))                                                                                \
    X(void, cancellable_cancel, (void *))                                                                             \
    X(void *, unix_fd_list_new, (void))                                                                               \
    X(int, unix_fd_list_append, (void *, int, GError **))                                                             \
    X(int *, unix_fd_list_steal_fds, (void *, int *))                                                                 \
    X(size_t, dbus_interface_info_get_type, (void))                                                                   \
    X(void, dbus_interface_info_unref, (void *))                                                                      \
    X(unsigned, dbus_connection_register_object,                                                                      \
      (void *, const char *, void *, const void *, void *, void (*)(void *), GError **))                              \
    X(void *, dbus_method_invocation_get_message, (void *))                                                           \
    X(void, dbus_method_invocation_return_value_with_unix_fd_list, (void *, GVariant *, void *))                      \
    X(void, dbus_method_invocation_return_dbus_error, (void *, const char *, const char *))                           \
    X(void *, dbus_message_get_unix_fd_list, (void *))                                                                \
    X(int, dbus_message_get_flags, (void *))

typedef struct {
    GLIB_FUNCTIONS(FUNCTION) GOBJECT_FUNCTIONS(FUNCTION) GIO_FUNCTIONS(FUNCTION)
} Functions;
extern Functions g;                         /* g.variant_new_byte is g_variant_new_byte */

extern PyTypeObject *VariantType;           /* GLib.Variant */

typedef struct Place {
    const struct Place *outer;
    enum { ARGUMENT, ITEM, KEY, VALUE } kind;
    Py_ssize_t number;
    PyObject *key;                          /* borrowed from the frame that made the place */
} Place;

/* library.c */
int load_library(void);
GVariant *open_variant(PyObject *wrapper);  /* a reference, or NULL and an exception */
void *open_connection(PyObject *wrapper);   /* the same for a GDBusConnection, ... */
void *open_interface(PyObject *wrapper);    /* ... and a GDBusInterfaceInfo */
PyObject *raise_error(GError *error);       /* NULL; the GLib.Error that PyGObject makes of it, which is freed */
PyObject *wrap_variant(GVariant *variant);  /* a GLib.Variant with a reference of its own; sinks a floating one */

/* signature.c */
const char *type_end(const char *type);     /* behind a type that is known to be right */
int is_single(const char *type);            /* is this string one type? */
int nesting(const char *type);              /* containers in it, one within the other */
const char *check_signature(PyObject *signature); /* the one type it is, or NULL and an exception */
int is_signature(const char *types);        /* are these none, one or several types? */

/* place.c */
void *fail_at(const Place *place, PyObject *exception, const char *format, ...); /* NULL, always */

/* natural.c */
const char *simple_type(PyObject *value);   /* of what is no list, tuple or dict; NULL: none */
typedef struct {
    char text[MAX_ARRAYS * MAX_SIGNATURE];  /* each list on the way compares its next item's type with the first one's */
    size_t length;
} Text;
int natural_type(PyObject *value, Text *type, const Place *place); /* -1 and an exception */

/* scalar.c */
typedef union {
    uint8_t y, b;
    int16_t n;
    uint16_t q;
    int32_t i;
    uint32_t u;
    int64_t x;
    uint64_t t;
    double d;
} Number;
int number_size(char type);                 /* in bytes; 0: it is no number */
int pack_number(char type, PyObject *value, Number *number, const Place *place); /* its size in bytes, or -1 */
GVariant *new_number(char type, const Number *number);
GVariant *pack_string(char type, PyObject *value, const Place *place);

/* pack.c */
GVariant *pack_value(const char *type, PyObject *value, const Place *place, int depth); /* floating, or NULL */

/* size.c */
GVariant *pack_message(const char *signature, PyObject *value); /* as pack_value, if a message can hold it (V2) */

/* unpack.c */
PyObject *unpack_value(GVariant *variant, int depth);

/* call.c */
extern PyTypeObject CallType;
extern PyObject *str_wake;
PyObject *start_call(PyObject *module, PyObject *const *args, Py_ssize_t n);
extern const char start_doc[];

/* serve.c */
extern PyTypeObject AnswerType;
PyObject *register_object(PyObject *module, PyObject *args);
extern const char register_doc[];

/* descriptors.c */
int new_descriptors(PyObject *fds, void **list);
PyObject *take_descriptors(void *list);

#endif
