/**
 * Findings: what is wrong with somebody's data, as data.
 *
 * Layer:   core. The rows are in core/diag.def; nothing else knows a text.
 * Memory:  a finding borrows @c arg from the input it is about.
 */
#ifndef SMX_CORE_DIAG_H
#define SMX_CORE_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum smx_diag_severity {
	SMX_DIAG_INFO,
	SMX_DIAG_WARNING,
	SMX_DIAG_ERROR,
};

enum smx_diag_code {
	SMX_DIAG_OK,
#define SMX_DIAG_ROW(code, name, severity, forgiven, rfc, tlsrpt, text, fix) \
	SMX_DIAG_##code,
#include "core/diag.def"
#undef SMX_DIAG_ROW
	SMX_DIAG_CODE_COUNT
};

struct smx_diag {
	enum smx_diag_code code;
	uint32_t line;        /* from 1; 0 when it is about the whole input */
	size_t offset;        /* in bytes from the start of the input */
	struct smx_slice arg; /* the offending bytes; may be empty */
	/* What "%" in the fix stands for; empty: arg. */
	struct smx_slice hint;
};

/** A row of core/diag.def. */
struct smx_diag_row {
	const char *name; /* for scripts: stable, lower case, with hyphens */
	enum smx_diag_severity severity;
	bool forgiven; /* an error that the daemon overlooks */
	const char *rfc;
	const char *tlsrpt; /* result type of RFC 8460, 4.3; NULL: none */
	const char *text;   /* "%" stands for the offending bytes */
	const char *fix;    /* "%" stands for the hint */
};

/** Findings in the caller's array, in the order in which they were met. One
 * list is for one input: a fatal finding stays in it. */
struct smx_diag_list {
	struct smx_diag *items;
	size_t max;
	size_t count;   /* met, also those beyond max */
	bool has_error; /* one is an error, forgiven or not */
	/* The first error that is not forgiven; code SMX_DIAG_OK: none. */
	struct smx_diag fatal;
};

static inline void
smx_diag_list_init(struct smx_diag_list *l, struct smx_diag *items, size_t max)
{
	*l = (struct smx_diag_list){ .items = items, .max = max };
}

/** @return how many findings are in the array. */
static inline size_t
smx_diag_list_kept(const struct smx_diag_list *l)
{
	return l->count < l->max ? l->count : l->max;
}

/** @return true when a finding is an error, forgiven or not. */
static inline bool
smx_diag_list_has_error(const struct smx_diag_list *l)
{
	return l->has_error;
}

void smx_diag_push(struct smx_diag_list *l, struct smx_diag d);

/** @return the row of a code; SMX_DIAG_OK has one too. */
const struct smx_diag_row *smx_diag_row(enum smx_diag_code code);

/** @return "info", "warning" or "error". */
const char *smx_diag_severity_text(enum smx_diag_severity severity);

/** Write the finding's sentence, the offending bytes escaped and cut. */
void smx_diag_print(const struct smx_diag *d, struct smx_buf *out);

/** Write how to mend it. */
void smx_diag_print_fix(const struct smx_diag *d, struct smx_buf *out);

#endif
