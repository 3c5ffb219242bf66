/**
 * JSON: what strictmx writes, and the flat objects it reads.
 *
 * Layer:   core (jansson, for reading).
 */
#ifndef SMX_CORE_JSON_H
#define SMX_CORE_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"

/** Longest text that is read as JSON at once. */
#define SMX_JSON_BYTES_MAX ((size_t)1 << 20)

/**
 * Append a JSON string. Bytes that are no UTF-8 become U+FFFD; control
 * characters, and DEL, are escaped.
 */
void smx_json_print_text(struct smx_buf *out, struct smx_slice text);

/**
 * Read an object's members, all of them texts.
 *
 * @param a      owns the values.
 * @param names  of the members wanted; others are ignored.
 * @param ret    a value for each name, in their order; on failure some may be
 *               written.
 * @param what   on failure: what is wrong, in words.
 *
 * @retval 0
 * @retval -SMX_EPARSE  no JSON object, or a member is missing, no text, or
 *                      there twice.
 * @retval -SMX_ELIMIT  longer than SMX_JSON_BYTES_MAX.
 * @retval -SMX_ENOMEM
 */
int smx_json_read_texts(struct smx_arena *a, struct smx_slice json,
    const char *const *names, size_t count, struct smx_slice *ret,
    struct smx_buf *what) SMX_CHECKED;

#endif
