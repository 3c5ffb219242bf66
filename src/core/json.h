/**
 * JSON: what strictmx writes, and the flat objects it reads.
 *
 * Layer:   core (jansson, for reading).
 */
#ifndef SMX_CORE_JSON_H
#define SMX_CORE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"

/** A member that is wanted of an object, and its value. */
struct smx_json_text {
	const char *name;
	struct smx_slice value;
};

/** Longest text that is read as JSON at once. */
#define SMX_JSON_BYTES_MAX ((size_t)1 << 20)

/**
 * Append a JSON string. Bytes that are no UTF-8 become U+FFFD; what
 * smx_scan_is_control() has, control and format characters, is escaped.
 */
void smx_json_print_text(struct smx_buf *out, struct smx_slice text);

/** Append a comma, a name and a text, unless the text is empty. */
void smx_json_print_member(struct smx_buf *out, const char *name,
    struct smx_slice text);

/**
 * Read an object's members, all of them texts.
 *
 * @param a      owns the values.
 * @param texts  their names are the members wanted, others are ignored; their
 *               values are written, on failure perhaps not all.
 * @param what   on failure: what is wrong, in words.
 *
 * @retval 0
 * @retval -SMX_EPARSE  no JSON object, or a member is missing, no text, or
 *                      there twice.
 * @retval -SMX_ELIMIT  longer than SMX_JSON_BYTES_MAX.
 * @retval -SMX_ENOMEM
 */
int smx_json_read_texts(struct smx_arena *a, struct smx_slice json,
    struct smx_json_text *texts, size_t count,
    struct smx_buf *what) SMX_CHECKED;

/** A value that was read. What is below one belongs to it. */
struct smx_json;

/** Longest text that smx_json_read() takes. */
#define SMX_JSON_DOCUMENT_MAX ((size_t)8 << 20)

/**
 * Read a text of JSON.
 *
 * @param ret   to be freed with smx_json_free().
 * @param what  on failure: what is wrong, in words.
 *
 * @retval 0
 * @retval -SMX_EPARSE  no JSON, or a name stands twice in an object.
 * @retval -SMX_ELIMIT  longer than SMX_JSON_DOCUMENT_MAX.
 */
int smx_json_read(struct smx_slice json, struct smx_json **ret,
    struct smx_buf *what) SMX_CHECKED;
void smx_json_free(struct smx_json **j);

/** @return an object's member, or NULL; @p j may be NULL or no object. */
const struct smx_json *smx_json_member(const struct smx_json *j,
    const char *name);

/** @return how many elements an array has; 0 for all else. */
size_t smx_json_count(const struct smx_json *j);

/** @return an array's element, or NULL. */
const struct smx_json *smx_json_element(const struct smx_json *j, size_t i);

/** @return the bytes of a text; nothing for all else. */
struct smx_slice smx_json_bytes(const struct smx_json *j);

/** @return false when it is no whole number. */
bool smx_json_integer(const struct smx_json *j, int64_t *ret);

#endif
