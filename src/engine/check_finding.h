/**
 * A finding of `strictmx check`: a row of core/diag.def, and where it is seen.
 *
 * Layer:   engine. Data only.
 * Memory:  it borrows from the arena of the check.
 */
#ifndef SMX_ENGINE_CHECK_FINDING_H
#define SMX_ENGINE_CHECK_FINDING_H

#include "core/diag.h"
#include "engine/check_facts.h"

/** Findings kept; more are only counted. */
#define SMX_CHECK_FINDING_MAX 200

/** Of what a finding is, in the order in which it is told. */
enum smx_check_section {
	SMX_CHECK_RECORD,
	SMX_CHECK_HOST,
	SMX_CHECK_POLICY,
	SMX_CHECK_MX,
	SMX_CHECK_SMTP,
	SMX_CHECK_DANE,
	SMX_CHECK_TLSRPT,
	SMX_CHECK_BESIDE,
	SMX_CHECK_CHANGE, /* compared with an earlier check */
	SMX_CHECK_SECTION_COUNT
};

struct smx_check_finding {
	enum smx_check_section section;
	struct smx_diag diag;
	struct smx_slice host; /* what it is about, with the code: its key */
	struct smx_slice evidence; /* may be empty */
	struct smx_ip where[SMX_CHECK_ADDRESS_MAX];
	size_t where_count;
};

#endif
