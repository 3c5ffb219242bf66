#include "core/diag.h"
#include "base/require.h"

/* The offending bytes are shown up to this length. */
#define ARG_SHOWN_MAX 80

static const struct smx_diag_row rows[SMX_DIAG_CODE_COUNT] = {
	[SMX_DIAG_OK] = { "ok", SMX_DIAG_INFO, false, "", NULL, "no finding",
	    "" },
#define SMX_DIAG_ROW(code, name, severity, forgiven, rfc, tlsrpt, text, fix) \
	[SMX_DIAG_##code] = { name, SMX_DIAG_##severity, forgiven, rfc,      \
		tlsrpt, text, fix },
#include "core/diag.def"
#undef SMX_DIAG_ROW
};

const struct smx_diag_row *
smx_diag_row(enum smx_diag_code code)
{
	SMX_REQUIRE((unsigned)code < SMX_DIAG_CODE_COUNT);
	return &rows[code];
}

void
smx_diag_push(struct smx_diag_list *l, struct smx_diag d)
{
	const struct smx_diag_row *row = smx_diag_row(d.code);

	if (row->severity == SMX_DIAG_ERROR && !row->forgiven &&
	    l->fatal.code == SMX_DIAG_OK)
		l->fatal = d;
	if (row->severity == SMX_DIAG_ERROR)
		l->has_error = true;
	if (l->count < l->max)
		l->items[l->count] = d;
	l->count++;
}

const char *
smx_diag_severity_text(enum smx_diag_severity severity)
{
	static const char *const texts[] = {
		[SMX_DIAG_INFO] = "info",
		[SMX_DIAG_WARNING] = "warning",
		[SMX_DIAG_ERROR] = "error",
	};

	return texts[severity];
}

/* Write a text with @p arg in the place of its "%". */
static void
print(const char *pattern, struct smx_slice arg, struct smx_buf *out)
{
	struct smx_slice text = smx_slice_text(pattern);
	struct smx_slice shown = arg;
	size_t at = smx_slice_find(text, '%');

	smx_buf_add(out, smx_slice(text.p, at));
	if (at == text.n)
		return;
	if (shown.n > ARG_SHOWN_MAX)
		shown.n = ARG_SHOWN_MAX;
	smx_buf_add_escaped(out, shown);
	if (shown.n < arg.n)
		smx_buf_add_text(out, "...");
	smx_buf_add(out, smx_slice_from(text, at + 1));
}

void
smx_diag_print(const struct smx_diag *d, struct smx_buf *out)
{
	print(smx_diag_row(d->code)->text, d->arg, out);
}

void
smx_diag_print_fix(const struct smx_diag *d, struct smx_buf *out)
{
	print(smx_diag_row(d->code)->fix, d->hint.n > 0 ? d->hint : d->arg,
	    out);
}
