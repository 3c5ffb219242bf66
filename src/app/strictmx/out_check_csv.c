#include "app/strictmx/out_check_csv.h"
#include "core/tlsrpt_txt.h"
#include "engine/check_verdict.h"
#include "io/clock.h"

void
smx_out_check_csv_head(struct smx_buf *out)
{
	smx_buf_add_text(out,
	    "domain,checked_at,verdict,exit_status,errors,warnings,id,mode,"
	    "max_age,mx,tlsrpt,codes\r\n");
}

static void
print_codes(const struct smx_check *c, struct smx_buf *out)
{
	bool some = false;

	for (size_t i = 0; i < smx_check_findings_kept(c); i++) {
		const struct smx_diag_row *row =
		    smx_diag_row(c->findings[i].diag.code);

		if (row->severity == SMX_DIAG_INFO)
			continue;
		if (some)
			smx_buf_add_char(out, ' ');
		smx_buf_add_text(out, row->name);
		some = true;
	}
}

static size_t
count(const struct smx_check *c, enum smx_diag_severity severity)
{
	size_t n = 0;

	for (size_t i = 0; i < smx_check_findings_kept(c); i++)
		n += smx_diag_row(c->findings[i].diag.code)->severity ==
		    severity;
	return n;
}

/* All values are names, numbers and codes: none has to be quoted. */
void
smx_out_check_csv(const struct smx_check *c, struct smx_buf *out)
{
	const struct smx_check_facts *f = &c->facts;
	char time[SMX_CLOCK_TEXT_BYTES];

	smx_clock_print(f->now.wall, time);
	smx_buf_add(out, f->domain);
	smx_buf_printf(out, ",%s,%s,%d,%zu,%zu,", time,
	    smx_check_verdict_name(c->verdict), smx_check_verdict_status(c),
	    count(c, SMX_DIAG_ERROR), count(c, SMX_DIAG_WARNING));
	smx_buf_add(out, f->id);
	if (f->has_policy)
		smx_buf_printf(out, ",%s,%u",
		    smx_sts_policy_mode_text(f->policy.mode),
		    f->policy.max_age_s);
	else
		smx_buf_add_text(out, ",,");
	smx_buf_printf(out, ",%zu,%s,", f->mx_count,
	    f->rua_count > 0 ? "yes" : "no");
	print_codes(c, out);
	smx_buf_add_text(out, "\r\n");
}
