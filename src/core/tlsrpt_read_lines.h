/**
 * policy-string and mx-host of a TLS report (RFC 8460, 4.4 and 4.5): an array
 * of texts, or what is sent in its place.
 *
 * Layer:   core. For core/tlsrpt_read.c.
 * Memory:  the list is in the pass's arena; texts as smx_tlsrpt_read_value_text
 *          keeps them.
 * Limits:  SMX_TLSRPT_READ_LINES_MAX, in a whole report.
 */
#ifndef SMX_CORE_TLSRPT_READ_LINES_H
#define SMX_CORE_TLSRPT_READ_LINES_H

#include <stdbool.h>

#include "core/tlsrpt_event.h"
#include "core/tlsrpt_read_value.h"

/** A list that is being read. */
struct smx_tlsrpt_read_lines {
	struct smx_tlsrpt_line **last;      /* where the next one goes */
	size_t *kept;                       /* lines of the whole report */
	bool is_policy;                     /* policy-string, else mx-host */
	struct smx_tlsrpt_read_place place; /* of the text at hand */
};

/**
 * Read a value, and add its lines to the list; empty ones are left out. Of a
 * policy-string each line of a text is one, and so is each element of an array
 * that somebody wrote as a text.
 *
 * @retval 0
 * @retval -SMX_EPARSE, -SMX_ENOMEM  as in core/tlsrpt_read_value.h
 */
int smx_tlsrpt_read_lines(struct smx_tlsrpt_read_pass *p,
    struct smx_tlsrpt_read_lines *l,
    const struct smx_tlsrpt_read_value *v) SMX_CHECKED;

#endif
