/**
 * Points in time as they stand in TLS reports (RFC 8460, 4.4): those of RFC
 * 3339, 5.6, and what is written in their place.
 *
 * Layer:   core.
 */
#ifndef SMX_CORE_TLSRPT_READ_DATE_H
#define SMX_CORE_TLSRPT_READ_DATE_H

#include <stdbool.h>

#include "base/slice.h"
#include "base/when.h"

struct smx_tlsrpt_read_date {
	smx_time wall;
	bool has_zone; /* without one it was taken as UTC */
	bool is_exact; /* but for the zone it is as RFC 3339 has it */
};

/**
 * Read a point in time from 1970 to 9999. Beside RFC 3339's form these are
 * understood: a blank in the place of the "T", a day alone, no seconds, 24:00,
 * "+0000", "UTC" or "GMT" as the zone, and seconds since 1970.
 *
 * @return false when it is none; *ret is as it was.
 */
bool smx_tlsrpt_read_date(struct smx_slice text,
    struct smx_tlsrpt_read_date *ret);

#endif
