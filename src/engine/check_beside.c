#include "core/dmarc.h"
#include "core/limits.h"
#include "core/spf.h"
#include "engine/check_judge.h"

/* SPF and DMARC: what MTA-STS does not cover, for the overview only. */

static bool
is_known(const struct smx_dns_answer *answer)
{
	return answer->status == SMX_DNS_OK ||
	    answer->status == SMX_DNS_NODATA ||
	    answer->status == SMX_DNS_NXDOMAIN;
}

static void
find_all(struct smx_check *c, const struct smx_diag_list *diags,
    struct smx_slice evidence)
{
	for (size_t i = 0; i < smx_diag_list_kept(diags); i++)
		smx_check_judge_find(c, &diags->items[i], NULL, evidence);
}

void
smx_check_beside_judge(struct smx_check *c)
{
	struct smx_check_facts *f = &c->facts;
	struct smx_diag items[SMX_DIAG_COUNT_MAX];
	struct smx_diag_list diags;
	struct smx_dmarc dmarc;
	struct smx_spf spf;

	if (is_known(&f->at_domain)) {
		smx_diag_list_init(&diags, items, SMX_DIAG_COUNT_MAX);
		smx_spf_check(f->at_domain.texts, f->at_domain.count, &diags,
		    &spf);
		if (spf.found == SMX_SPF_ONE)
			f->spf = f->at_domain.texts[spf.index];
		find_all(c, &diags, f->spf);
	}
	if (is_known(&f->dmarc)) {
		smx_diag_list_init(&diags, items, SMX_DIAG_COUNT_MAX);
		smx_dmarc_check(f->dmarc.texts, f->dmarc.count, &diags, &dmarc);
		if (dmarc.found == SMX_DMARC_ONE)
			f->dmarc_text = f->dmarc.texts[dmarc.index];
		find_all(c, &diags, f->dmarc_text);
	}
}
