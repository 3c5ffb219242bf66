/**
 * One pass over the JSON of a TLS report, value by value: where each stands,
 * what is wrong with it, and what can be made of it all the same.
 *
 * Layer:   core. For core/tlsrpt_read.c, which knows what the values mean.
 * Memory:  a token's text is valid until the next token; what is kept borrows
 *          from the input, or from the caller's arena when it had escapes.
 *          Beside the arena there is memory for one text with escapes.
 * Limits:  SMX_TLSRPT_READ_TEXT_MAX, SMX_JSON_DEPTH_MAX.
 *
 * Functions that read further return 0, or
 *   -SMX_EPARSE  it is no JSON from here on: the finding is fatal.
 *   -SMX_ENOMEM  no memory, or the arena's cap is reached.
 * Where two answers are possible they return 1 and 0.
 */
#ifndef SMX_CORE_TLSRPT_READ_VALUE_H
#define SMX_CORE_TLSRPT_READ_VALUE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "base/status.h"
#include "core/diag.h"
#include "core/json_scan.h"

/** What stands where in the input; a text without its quotes. */
struct smx_tlsrpt_read_place {
	uint32_t line;
	size_t offset, bytes;
};

/** A value, or the beginning of an object or array. */
struct smx_tlsrpt_read_value {
	struct smx_json_token token;
	struct smx_tlsrpt_read_place place;
};

struct smx_tlsrpt_read_pass {
	struct smx_slice input;
	struct smx_arena *arena;
	struct smx_diag_list *diags;
	struct smx_json_scan scan;
	size_t counted_at; /* up to here lines were counted */
	uint32_t line;
	uint32_t met[SMX_DIAG_CODE_COUNT];
	struct smx_arena texts; /* with escapes: of one token */
	char storage[4096];
};

/** An object that is being read: its members' names, which of them were met. */
struct smx_tlsrpt_read_members {
	const char *const *names;
	size_t count;
	uint32_t seen; /* a bit for each */
	struct smx_tlsrpt_read_place begin;
};

/** @param p  must not be moved until it is done. */
void smx_tlsrpt_read_value_begin(struct smx_tlsrpt_read_pass *p,
    struct smx_arena *arena, struct smx_slice input,
    struct smx_diag_list *diags);
void smx_tlsrpt_read_value_done(struct smx_tlsrpt_read_pass *p);

/** A code is told once, where it was met first, and counted in p->met. */
void smx_tlsrpt_read_value_find(struct smx_tlsrpt_read_pass *p,
    enum smx_diag_code code, struct smx_tlsrpt_read_place place);

int smx_tlsrpt_read_value_next(struct smx_tlsrpt_read_pass *p,
    struct smx_tlsrpt_read_value *ret) SMX_CHECKED;

/** Read over what is left of a value. */
int smx_tlsrpt_read_value_skip(struct smx_tlsrpt_read_pass *p,
    const struct smx_tlsrpt_read_value *v) SMX_CHECKED;

/**
 * The next member of an object that has one of the names. All others are
 * findings, and are skipped; so are those that were there before.
 *
 * @retval 1  *ret_id is its place among the names.
 * @retval 0  the object has ended.
 */
int smx_tlsrpt_read_value_member(struct smx_tlsrpt_read_pass *p,
    struct smx_tlsrpt_read_members *m, size_t *ret_id,
    struct smx_tlsrpt_read_value *ret) SMX_CHECKED;

/** The next element of an array. @retval 0  it has ended. */
int smx_tlsrpt_read_value_element(struct smx_tlsrpt_read_pass *p,
    struct smx_tlsrpt_read_value *ret) SMX_CHECKED;

/** Is the value of this kind? If not, that is a finding, and it is skipped. */
int smx_tlsrpt_read_value_is(struct smx_tlsrpt_read_pass *p,
    const struct smx_tlsrpt_read_value *v, enum smx_json_kind kind) SMX_CHECKED;

/** A text to keep, cut to its limit. A number is a finding, and its digits are
 * the text; of anything else nothing is kept. */
int smx_tlsrpt_read_value_text(struct smx_tlsrpt_read_pass *p,
    const struct smx_tlsrpt_read_value *v, struct smx_slice *ret) SMX_CHECKED;

/** A number of sessions; *ret is as it was when it is none. */
int smx_tlsrpt_read_value_count(struct smx_tlsrpt_read_pass *p,
    const struct smx_tlsrpt_read_value *v, uint64_t *ret) SMX_CHECKED;

#endif
