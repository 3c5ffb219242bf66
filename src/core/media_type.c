#include "core/media_type.h"
#include "base/scan.h"
#include "core/domain.h"

bool
smx_media_type_is_text_plain(struct smx_slice value)
{
	struct smx_slice type = smx_slice(value.p, smx_slice_find(value, ';'));

	type = smx_slice_from(type, smx_scan_skip_wsp(type, 0));
	/* ASCII case folding is the same for names and media types. */
	return smx_domain_equal(smx_scan_trim_end(type),
	    SMX_SLICE("text/plain"));
}
