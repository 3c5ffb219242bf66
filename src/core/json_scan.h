/**
 * JSON, token by token (RFC 8259): for what has to be read fast and is small.
 *
 * Layer:   core.
 * Memory:  texts borrow from the input, or, when they have escapes, from the
 *          caller's arena.
 * Limits:  SMX_JSON_DEPTH_MAX.
 *
 * The grammar is RFC 8259's with one exception: texts need not be UTF-8, since
 * who writes the datagrams of libtlsrpt doesn't look. What comes out is bytes.
 */
#ifndef SMX_CORE_JSON_SCAN_H
#define SMX_CORE_JSON_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "base/status.h"
#include "core/limits.h"

enum smx_json_kind {
	SMX_JSON_END, /* of the input */
	SMX_JSON_OBJECT,
	SMX_JSON_OBJECT_END,
	SMX_JSON_ARRAY,
	SMX_JSON_ARRAY_END,
	SMX_JSON_NAME, /* of a member; its value is next */
	SMX_JSON_TEXT,
	SMX_JSON_NUMBER,
	SMX_JSON_WORD, /* true, false, null */
};

struct smx_json_token {
	enum smx_json_kind kind;
	struct smx_slice text; /* NAME, TEXT: unescaped; NUMBER, WORD: as is */
};

struct smx_json_scan {
	struct smx_arena *arena;
	struct smx_slice input;
	size_t at; /* how far it was read; on failure: where it is wrong */
	uint32_t objects; /* a bit for each level: is it an object? */
	unsigned depth;
	enum {
		SMX_JSON_WANT_VALUE,
		SMX_JSON_WANT_FIRST, /* or the end, right after the opening */
		SMX_JSON_WANT_MORE,  /* a comma or the end */
	} want;
};

void smx_json_scan_init(struct smx_json_scan *s, struct smx_arena *arena,
    struct smx_slice input);

/**
 * The next token. After the value that is the document only blanks may come.
 *
 * @retval 0
 * @retval -SMX_EPARSE  not JSON, at s->at.
 * @retval -SMX_ELIMIT  nested too deep.
 * @retval -SMX_ENOMEM  the arena's cap is reached.
 */
int smx_json_scan_next(struct smx_json_scan *s,
    struct smx_json_token *ret) SMX_CHECKED;

/**
 * Read over what is left of a value whose first token is @p first.
 *
 * @retval as smx_json_scan_next().
 */
int smx_json_scan_skip(struct smx_json_scan *s,
    const struct smx_json_token *first) SMX_CHECKED;

/** @return false when the token is no whole number from -2^53 to 2^53. */
bool smx_json_scan_integer(const struct smx_json_token *token, int64_t *ret);

#endif
