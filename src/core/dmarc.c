#include "core/dmarc.h"
#include "base/scan.h"
#include "core/domain.h"

/* dmarc-version: "v" *WSP "=" *WSP %x44 %x4d %x41 %x52 %x43 %x31
 * @return the length, or 0. */
static size_t
version_length(struct smx_slice record)
{
	const struct smx_slice value = SMX_SLICE("DMARC1");
	size_t at;

	if (record.n == 0 || smx_scan_lower(record.p[0]) != 'v')
		return 0;
	at = smx_scan_skip_wsp(record, 1);
	if (at == record.n || record.p[at] != '=')
		return 0;
	at = smx_scan_skip_wsp(record, at + 1);
	return smx_slice_starts(smx_slice_from(record, at), value)
	    ? at + value.n
	    : 0;
}

bool
smx_dmarc_is_candidate(struct smx_slice record)
{
	size_t at = version_length(record);

	if (at == 0)
		return false;
	at = smx_scan_skip_wsp(record, at);
	return at == record.n || record.p[at] == ';';
}

const char *
smx_dmarc_policy_text(enum smx_dmarc_policy p)
{
	static const char *const texts[] = {
		[SMX_DMARC_P_MISSING] = "",
		[SMX_DMARC_P_NONE] = "none",
		[SMX_DMARC_P_QUARANTINE] = "quarantine",
		[SMX_DMARC_P_REJECT] = "reject",
	};

	return texts[p];
}

static enum smx_dmarc_policy
policy_of(struct smx_slice value)
{
	for (int p = SMX_DMARC_P_NONE; p <= SMX_DMARC_P_REJECT; p++)
		if (smx_domain_equal(value,
			smx_slice_text(
			    smx_dmarc_policy_text((enum smx_dmarc_policy)p))))
			return (enum smx_dmarc_policy)p;
	return SMX_DMARC_P_MISSING;
}

/* One pass over a record. */
struct parse {
	struct smx_slice record;
	struct smx_diag_list *diags;
	struct smx_dmarc *dmarc;
	bool has_p; /* valid or not */
};

static void
find(struct parse *p, enum smx_diag_code code, struct smx_slice at)
{
	p->dmarc->is_valid = false;
	smx_diag_push(p->diags,
	    (struct smx_diag){
		.code = code,
		.line = 1,
		.offset = (size_t)(at.p - p->record.p),
		.arg = at,
	    });
}

/* An ALPHA, and then letters, digits and "_" (RFC 6376, 3.2: tag-name). */
static bool
is_name(struct smx_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!smx_scan_is_alnum(s.p[i]) && (i == 0 || s.p[i] != '_'))
			return false;
	return s.n > 0 && smx_scan_is_alpha(s.p[0]);
}

static bool
is_text(struct smx_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] >= 0x7f)
			return false;
	return s.n > 0;
}

/* A number of at most 100 (RFC 7489, 6.3: pct). */
static bool
is_percentage(struct smx_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!smx_scan_is_digit(s.p[i]))
			return false;
	return s.n > 0 && (s.n < 3 || smx_slice_equal(s, SMX_SLICE("100")));
}

/* Tags whose values are few; what others say is not looked at. */
static bool
is_value(struct smx_slice name, struct smx_slice value)
{
	if (smx_domain_equal(name, SMX_SLICE("p")) ||
	    smx_domain_equal(name, SMX_SLICE("sp")))
		return policy_of(value) != SMX_DMARC_P_MISSING;
	if (smx_domain_equal(name, SMX_SLICE("adkim")) ||
	    smx_domain_equal(name, SMX_SLICE("aspf")))
		return smx_domain_equal(value, SMX_SLICE("r")) ||
		    smx_domain_equal(value, SMX_SLICE("s"));
	if (smx_domain_equal(name, SMX_SLICE("pct")))
		return is_percentage(value);
	return is_text(value);
}

static void
parse_tag(struct parse *p, struct smx_slice tag)
{
	size_t equals = smx_slice_find(tag, '=');
	struct smx_slice name = smx_scan_trim_end(smx_slice(tag.p, equals));
	struct smx_slice value = smx_slice_from(tag, equals + 1);
	bool is_p = smx_domain_equal(name, SMX_SLICE("p"));

	value = smx_slice_from(value, smx_scan_skip_wsp(value, 0));
	if (equals == tag.n || !is_name(name) || !is_value(name, value) ||
	    (is_p && p->has_p))
		find(p, SMX_DIAG_DMARC_SYNTAX, tag);
	else if (is_p)
		p->dmarc->p = policy_of(value);
	p->has_p = p->has_p || is_p;
}

/* The tags behind the version, with semicolons between them; nothing may
 * stand behind the last. */
static void
parse_record(struct parse *p)
{
	struct smx_slice rest = smx_slice_from(p->record,
	    version_length(p->record));
	size_t at = smx_slice_find(rest, ';');

	while (at < rest.n) {
		struct smx_slice piece = smx_slice_from(rest, at + 1), tag;
		size_t end = smx_slice_find(piece, ';');

		tag = smx_slice(piece.p, end);
		tag = smx_slice_from(tag, smx_scan_skip_wsp(tag, 0));
		tag = smx_scan_trim_end(tag);
		if (tag.n > 0)
			parse_tag(p, tag);
		else if (end < piece.n)
			find(p, SMX_DIAG_DMARC_SYNTAX,
			    smx_slice(piece.p + end, 1));
		at += 1 + end;
	}
	if (!p->has_p)
		find(p, SMX_DIAG_DMARC_POLICY, smx_slice(p->record.p, 0));
}

void
smx_dmarc_check(const struct smx_slice *records, size_t count,
    struct smx_diag_list *diags, struct smx_dmarc *ret)
{
	struct smx_dmarc dmarc = { .found = SMX_DMARC_NONE };

	for (size_t i = 0; i < count; i++) {
		if (!smx_dmarc_is_candidate(records[i]))
			continue;
		if (dmarc.found == SMX_DMARC_NONE)
			dmarc.index = i;
		dmarc.found = dmarc.found == SMX_DMARC_NONE ? SMX_DMARC_ONE
							    : SMX_DMARC_SEVERAL;
	}
	if (dmarc.found == SMX_DMARC_ONE) {
		struct parse p = { .record = records[dmarc.index],
			.diags = diags,
			.dmarc = &dmarc };

		dmarc.is_valid = true;
		parse_record(&p);
	} else {
		smx_diag_push(diags,
		    (struct smx_diag){
			.code = dmarc.found == SMX_DMARC_NONE
			    ? SMX_DIAG_DMARC_NONE
			    : SMX_DIAG_DMARC_SEVERAL,
		    });
	}
	*ret = dmarc;
}
