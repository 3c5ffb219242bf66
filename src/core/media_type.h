/**
 * Media types, as far as a policy needs them (RFC 8461, section 3.2).
 *
 * Layer:   core.
 */
#ifndef SMX_CORE_MEDIA_TYPE_H
#define SMX_CORE_MEDIA_TYPE_H

#include <stdbool.h>

#include "base/slice.h"

/**
 * Is the value of a Content-Type header text/plain? Case does not count, and
 * parameters are ignored.
 */
bool smx_media_type_is_text_plain(struct smx_slice value);

#endif
