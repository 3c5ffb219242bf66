/*
 * The SPF and the DMARC record: lines of TXT records, read as both.
 */
#include "fuzz.h"
#include "core/dmarc.h"
#include "core/limits.h"
#include "core/spf.h"

#define MAX 8

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smx_slice in = fuzz_slice(data, size), records[MAX] = { 0 };
	struct smx_diag items[SMX_DIAG_COUNT_MAX];
	size_t count = 0, of_spf = 0, of_dmarc = 0;
	struct smx_diag_list diags;
	struct smx_dmarc dmarc;
	struct smx_spf spf;

	while (in.n > 0 && count < MAX) {
		size_t end = smx_slice_find(in, '\n');

		records[count] = smx_slice(in.p, end);
		of_spf += smx_spf_is_candidate(records[count]);
		of_dmarc += smx_dmarc_is_candidate(records[count]);
		count++;
		in = smx_slice_from(in, end + 1);
	}
	smx_diag_list_init(&diags, items, SMX_DIAG_COUNT_MAX);
	smx_spf_check(records, count, &diags, &spf);
	SMX_REQUIRE((spf.found == SMX_SPF_ONE) == (of_spf == 1));
	SMX_REQUIRE((diags.count == 0) ==
	    (spf.found == SMX_SPF_ONE && spf.is_valid));
	if (spf.found == SMX_SPF_ONE)
		fuzz_require_findings(&diags, records[spf.index]);

	smx_diag_list_init(&diags, items, SMX_DIAG_COUNT_MAX);
	smx_dmarc_check(records, count, &diags, &dmarc);
	SMX_REQUIRE((dmarc.found == SMX_DMARC_ONE) == (of_dmarc == 1));
	SMX_REQUIRE((diags.count == 0) ==
	    (dmarc.found == SMX_DMARC_ONE && dmarc.is_valid));
	SMX_REQUIRE(!dmarc.is_valid || dmarc.p != SMX_DMARC_P_MISSING);
	if (dmarc.found == SMX_DMARC_ONE)
		fuzz_require_findings(&diags, records[dmarc.index]);
	return 0;
}
