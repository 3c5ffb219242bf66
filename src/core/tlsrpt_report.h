/**
 * TLS reports: what a sender tells about one day of one Policy Domain
 * (RFC 8460, 4.4).
 *
 * Layer:   core.
 * Limits:  those of core/tlsrpt_event.h hold for what comes in.
 *
 * A report is written as a stream. The members of its "policy" and
 * "failure-details" objects are made beforehand, when the event arrives: two
 * events are of the same row when their members are the same text.
 */
#ifndef SMX_CORE_TLSRPT_REPORT_H
#define SMX_CORE_TLSRPT_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/when.h"
#include "core/tlsrpt_event.h"

/** Append the members of a "policy" object, without braces. */
void smx_tlsrpt_report_print_policy(const struct smx_tlsrpt_event_policy *p,
    struct smx_buf *out);

/** Append those of the policy that stands for all that were too many. */
void smx_tlsrpt_report_print_other_policy(enum smx_tlsrpt_policy_type type,
    struct smx_slice domain, struct smx_buf *out);

/** Append those of a "failure-details" object but for the count. */
void smx_tlsrpt_report_print_failure(const struct smx_tlsrpt_failure *f,
    struct smx_buf *out);

/** Those of the row that stands for all that were too many. */
extern const struct smx_slice smx_tlsrpt_report_other_failure;

struct smx_tlsrpt_report_head {
	struct smx_slice organization_name;
	struct smx_slice contact_info;
	struct smx_slice report_id;
	int64_t day; /* UTC, since the epoch */
};

struct smx_tlsrpt_report_writer {
	struct smx_buf *out;
	bool has_policy;
	bool has_failure; /* of the policy at hand */
};

/** Begin a report. Then come policies, each with its failures behind it. */
void smx_tlsrpt_report_begin(struct smx_tlsrpt_report_writer *w,
    struct smx_buf *out, const struct smx_tlsrpt_report_head *head);
void smx_tlsrpt_report_policy(struct smx_tlsrpt_report_writer *w,
    struct smx_slice members, uint64_t success, uint64_t failure);
void smx_tlsrpt_report_failure(struct smx_tlsrpt_report_writer *w,
    struct smx_slice members, uint64_t count);
/** End it. @return the status of the buffer. */
int smx_tlsrpt_report_end(struct smx_tlsrpt_report_writer *w) SMX_CHECKED;

/**
 * Append a file name (RFC 8460, 5.1), without the extension: submitter, Policy
 * Domain and the bounds of the day in seconds, with "!" between them.
 */
void smx_tlsrpt_report_print_name(struct smx_slice submitter,
    struct smx_slice domain, int64_t day, struct smx_buf *out);

#endif
