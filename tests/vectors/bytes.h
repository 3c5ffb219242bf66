/**
 * The bytes that a field of a case stands for.
 *
 * A string stands for itself in UTF-8, so "\u0000" and "\u00e9" are possible.
 * An array is its parts joined: strings, {"hex": "ff fe"} for bytes that are
 * no UTF-8, and {"text": "x", "times": 300}.
 */
#ifndef SMX_TESTS_BYTES_H
#define SMX_TESTS_BYTES_H

#include <jansson.h>

#include "base/buf.h"

/** Append them. @retval -SMX_EINVAL  the field has another form. */
int bytes_add(struct smx_buf *out, const json_t *field) SMX_CHECKED;

/**
 * The bytes in memory of exactly their length, so that a sanitizer sees a read
 * beyond them. The caller frees p.
 *
 * @return a NULL pointer when the field has no such form.
 */
struct smx_slice bytes_exact(const json_t *field);

#endif
