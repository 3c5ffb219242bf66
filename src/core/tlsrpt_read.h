/**
 * TLS reports of others, read (RFC 8460, 4.4).
 *
 * Layer:   core.
 * Memory:  results borrow from the report's text and from the caller's arena.
 * Limits:  SMX_TLSRPT_READ_*, SMX_GZ_*, SMX_JSON_DEPTH_MAX.
 *
 * Whoever sends a report can't be asked to mend it, so nearly everything is
 * forgiven: what can't be read is left out, and is a finding. A finding is
 * told once, where it was met first, and counted.
 *
 * Texts are as foreign as they came: escape them wherever they are shown.
 */
#ifndef SMX_CORE_TLSRPT_READ_H
#define SMX_CORE_TLSRPT_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"
#include "base/when.h"
#include "core/diag.h"
#include "core/tlsrpt_event.h"
#include "core/tlsrpt_policy_type.h"
#include "core/tlsrpt_result.h"

/** A row of failure-details. */
struct smx_tlsrpt_read_failure {
	/* What is not told is empty. The result is SMX_TLSRPT_VALIDATION_FAILURE
	 * when it is none that is known. */
	struct smx_tlsrpt_failure row;
	bool is_known;
	struct smx_slice result_type; /* as it is written */
	uint64_t count;               /* failed-session-count */
	struct smx_tlsrpt_read_failure *next;
};

/** An element of policies. */
struct smx_tlsrpt_read_policy {
	bool is_known;
	enum smx_tlsrpt_policy_type type; /* no-policy-found: not known */
	struct smx_slice policy_type;     /* as it is written */
	struct smx_slice domain; /* canonical, if it is a host name at all */
	struct smx_tlsrpt_line *policy_string;
	struct smx_tlsrpt_line *mx_host;
	uint64_t success, failure; /* the totals of its summary */
	uint64_t failure_sum;      /* of its failures' counts */
	struct smx_tlsrpt_read_failure *failures;
	struct smx_tlsrpt_read_policy *next;
};

struct smx_tlsrpt_read_report {
	struct smx_slice organization_name, contact_info, report_id;
	bool has_start, has_end;
	smx_time start, end;
	/* The day that it is about, by its start: days since 1970, in UTC. */
	bool has_day;
	int64_t day;
	/* Those that are kept, and how many of each there are. */
	struct smx_tlsrpt_read_policy *policies;
	size_t policy_count, failure_count;
	uint64_t success, failure; /* of all policies; at most UINT64_MAX */
	uint32_t met[SMX_DIAG_CODE_COUNT]; /* how often each finding */
};

/**
 * What was delivered as a report, as JSON: inflated when it is gzip, whatever
 * it was called, else as it is.
 *
 * @param inflated  empty, for at least SMX_TLSRPT_READ_BYTES_MAX; what is
 *                  inflated is in it.
 *
 * @retval 0            *ret_json borrows from @p bytes or @p inflated.
 * @retval -SMX_EPARSE  gzip, but damaged or too much; see diags->fatal.
 * @retval -SMX_ENOMEM
 */
int smx_tlsrpt_read_inflate(struct smx_slice bytes, struct smx_buf *inflated,
    struct smx_diag_list *diags, struct smx_slice *ret_json) SMX_CHECKED;

/**
 * Read a report.
 *
 * @param a      owns what is read, but for texts that can be borrowed; needs
 *               up to SMX_TLSRPT_READ_ARENA_MAX.
 * @param json   longer than SMX_TLSRPT_READ_BYTES_MAX is a finding.
 * @param diags  takes all findings, each code once.
 *
 * @retval 0            *ret borrows from @p json and @p a.
 * @retval -SMX_EPARSE  no report at all, see diags->fatal.
 * @retval -SMX_ENOMEM  no memory, or the arena's cap is reached.
 */
int smx_tlsrpt_read_parse(struct smx_arena *a, struct smx_slice json,
    struct smx_diag_list *diags,
    struct smx_tlsrpt_read_report *ret) SMX_CHECKED;

#endif
