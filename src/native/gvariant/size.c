/* How large a GVariant is in a D-Bus message: D-Bus specification, "Marshaling". GVariant's own format is another one. */
#include "gvariant.h"
#include <string.h>

#define MAX_ARRAY ((size_t)64 << 20)        /* bytes of its items */
#define MAX_BODY ((size_t)127 << 20)        /* a message may have 128 MiB: one is left for its header */
#define SMALL ((size_t)8 << 20)             /* D-Bus never takes more than eight times GVariant's bytes: (y) has 8 for 1 */

#define TOO_LARGE SIZE_MAX

static size_t alignment(char type) {
    return strchr("ygv", type) ? 1 : strchr("nq", type) ? 2 : strchr("xtd({", type) ? 8 : 4;
}

static size_t aligned(size_t at, char type) {
    return (at + alignment(type) - 1) & ~(alignment(type) - 1);
}

/* Where a value ends that starts at `at` or, aligned, soon after; TOO_LARGE if it must not. */
static size_t end_of(GVariant *variant, size_t at) {
    const char *type = g.variant_get_type_string(variant);
    size_t length = 0;
    at = aligned(at, *type);
    if (strchr("sog", *type)) {
        g.variant_get_string(variant, &length);
        return at + (*type == 'g' ? 1 : 4) + length + 1;
    }
    if (!strchr("a({v", *type))
        return at + alignment(*type); /* numbers: as wide as they are aligned */
    size_t n = g.variant_n_children(variant), start = 0;
    if (*type == 'a')
        at = start = aligned(at + 4, type[1]);
    if (*type == 'a' && number_size(type[1]))
        at += n * alignment(type[1]);
    else
        for (size_t i = 0; i < n && at <= MAX_BODY; i++) {
            GVariant *child = g.variant_get_child_value(variant, i);
            if (*type == 'v')
                at += strlen(g.variant_get_type_string(child)) + 2;
            at = end_of(child, at);
            g.variant_unref(child);
        }
    return at > MAX_BODY || (*type == 'a' && at - start > MAX_ARRAY) ? TOO_LARGE : at;
}

GVariant *pack_message(const char *signature, PyObject *value) {
    GVariant *variant = pack_value(signature, value, NULL, 0);
    if (!variant || g.variant_get_size(variant) <= SMALL || end_of(variant, 0) != TOO_LARGE)
        return variant;
    g.variant_unref(variant);
    PyErr_SetString(PyExc_ValueError, "too large for D-Bus, where an array has at most 64 MiB and a message 128: "
                                      "send a FileDescriptor");
    return NULL;
}
