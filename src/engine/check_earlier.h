/**
 * What an earlier check of a domain found: to compare with.
 *
 * Layer:   engine. Data only; it borrows all texts.
 */
#ifndef SMX_ENGINE_CHECK_EARLIER_H
#define SMX_ENGINE_CHECK_EARLIER_H

#include <stddef.h>

#include "base/slice.h"
#include "base/when.h"

/** A certificate that an earlier check saw. */
struct smx_check_earlier_certificate {
	struct smx_slice host;   /* the policy host, or an MX host */
	struct smx_slice sha256; /* in hexadecimal */
	smx_time not_after;
};

struct smx_check_earlier {
	smx_time checked;
	smx_time testing_since; /* 0: it was not in testing */
	struct smx_slice verdict;
	struct smx_slice id; /* empty: there was none */
	struct smx_slice mode;
	struct smx_slice body; /* empty: there was no policy */
	const struct smx_slice *mx;
	size_t mx_count;
	const struct smx_check_earlier_certificate *certificates;
	size_t certificate_count;
};

#endif
