#include "engine/dispatch_report.h"
#include "core/gz.h"
#include "core/tlsrpt_report.h"

/* JSON that is kept until it is compressed. */
#define PIECE_BYTES 65536

struct printing {
	struct smx_tlsrpt_report_writer writer;
	struct smx_gz_writer *gz; /* NULL: it is not compressed */
	size_t bytes;             /* that have gone there */
	bool has_testing;
	bool is_left_out; /* the policy at hand */
};

/* Compress what there is, once it is enough. */
static void
compress(struct printing *p, size_t enough)
{
	struct smx_buf *out = p->writer.out;

	if (p->gz == NULL || out->n < enough || smx_buf_status(out) < 0)
		return;
	smx_gz_add(p->gz, smx_buf_slice(out));
	p->bytes += out->n;
	smx_buf_reset(out);
}

static bool
contains(struct smx_slice text, struct smx_slice part)
{
	return memmem(text.p, text.n, part.p, part.n) != NULL;
}

static void
find_testing(void *arg, enum smx_tlsrpt_policy_type type,
    struct smx_slice members, uint64_t success, uint64_t failure)
{
	struct printing *p = arg;

	(void)success;
	(void)failure;
	p->has_testing |= type == SMX_TLSRPT_STS &&
	    contains(members, SMX_SLICE("\"mode: testing\""));
}

static void
ignore_failure(void *arg, struct smx_slice members, uint64_t count)
{
	(void)arg;
	(void)members;
	(void)count;
}

/* While a policy is in testing an MTA like Postfix delivers without a policy,
 * and its sessions were not verified: the probes' were. */
static void
print_policy(void *arg, enum smx_tlsrpt_policy_type type,
    struct smx_slice members, uint64_t success, uint64_t failure)
{
	struct printing *p = arg;

	p->is_left_out = p->has_testing && type == SMX_TLSRPT_NO_POLICY_FOUND;
	if (!p->is_left_out)
		smx_tlsrpt_report_policy(&p->writer, members, success, failure);
	compress(p, PIECE_BYTES);
}

static void
print_failure(void *arg, struct smx_slice members, uint64_t count)
{
	struct printing *p = arg;

	if (!p->is_left_out)
		smx_tlsrpt_report_failure(&p->writer, members, count);
	compress(p, PIECE_BYTES);
}

static int
print(const struct smx_dispatch *d, const struct smx_report_day *day,
    struct printing *p, struct smx_buf *out)
{
	struct smx_tlsrpt_report_head head = {
		.organization_name = smx_slice_text(d->settings.organization),
		.contact_info = smx_slice_text(d->settings.contact),
		.report_id = day->report_id,
		.day = day->day,
	};
	struct smx_report_visitor finder = { find_testing, ignore_failure, p };
	struct smx_report_visitor printer = { print_policy, print_failure, p };
	int rc;

	smx_tlsrpt_report_begin(&p->writer, out, &head);
	rc = d->reports.ops->walk(d->reports.self, day->id, &finder);
	if (rc == 0)
		rc = d->reports.ops->walk(d->reports.self, day->id, &printer);
	return rc == 0 ? smx_tlsrpt_report_end(&p->writer) : rc;
}

int
smx_dispatch_report_print(const struct smx_dispatch *d,
    const struct smx_report_day *day, struct smx_buf *out)
{
	struct printing p = { .gz = NULL };

	return print(d, day, &p, out);
}

int
smx_dispatch_report_compress(const struct smx_dispatch *d,
    const struct smx_report_day *day, struct smx_buf *out, size_t *ret_bytes)
{
	struct smx_gz_writer gz;
	struct printing p = { .gz = &gz };
	struct smx_buf piece;
	int rc, ended;

	smx_buf_init(&piece, SMX_DISPATCH_REPORT_MAX);
	smx_gz_begin(&gz, out);
	rc = print(d, day, &p, &piece);
	compress(&p, 0);
	ended = smx_gz_end(&gz);
	smx_buf_done(&piece);
	if (rc == 0)
		rc = ended;
	if (rc == 0 && p.bytes > SMX_DISPATCH_REPORT_MAX)
		rc = -SMX_ELIMIT;
	*ret_bytes = p.bytes;
	return rc;
}
