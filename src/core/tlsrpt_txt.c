#include "core/tlsrpt_txt.h"
#include "base/scan.h"
#include "core/limits.h"

static const struct smx_slice version = { "v=TLSRPTv1", 10 };

/* One pass over a record. */
struct parse {
	struct smx_arena *arena;
	struct smx_slice record;
	struct smx_diag_list *diags;
	struct smx_tlsrpt_rua *rua;
	size_t rua_count;
	size_t fields; /* rua fields, whatever is in them */
	bool is_full;  /* there were more URIs than are used */
};

bool
smx_tlsrpt_txt_is_candidate(struct smx_slice record)
{
	size_t at = version.n;

	if (!smx_slice_starts(record, version))
		return false;
	at = smx_scan_skip_wsp(record, at);
	return at < record.n && record.p[at] == ';';
}

int
smx_tlsrpt_txt_select(const struct smx_slice *records, size_t count,
    struct smx_slice domain, struct smx_diag_list *diags, size_t *ret_index)
{
	size_t found = 0, index = 0;

	for (size_t i = 0; i < count; i++) {
		if (smx_tlsrpt_txt_is_candidate(records[i])) {
			if (found++ == 0)
				index = i;
		}
	}
	if (found == 1) {
		*ret_index = index;
		return 0;
	}
	smx_diag_push(diags,
	    (struct smx_diag){
		.code = found == 0 ? SMX_DIAG_TLSRPT_NONE
				   : SMX_DIAG_TLSRPT_SEVERAL,
		.arg = domain,
	    });
	return found == 0 ? -SMX_ENOENT : -SMX_EPARSE;
}

static void
find(struct parse *p, enum smx_diag_code code, struct smx_slice at)
{
	smx_diag_push(p->diags,
	    (struct smx_diag){
		.code = code,
		.line = 1,
		.offset = (size_t)(at.p - p->record.p),
		.arg = at,
	    });
}

static bool
is_known(const struct parse *p, struct smx_slice uri)
{
	for (size_t i = 0; i < p->rua_count; i++)
		if (smx_slice_equal(p->rua[i].uri, uri))
			return true;
	return false;
}

/* @retval 0 or -SMX_ENOMEM */
static int
parse_uri(struct parse *p, struct smx_slice uri)
{
	struct smx_tlsrpt_rua rua;
	int rc;

	if (is_known(p, uri)) {
		find(p, SMX_DIAG_TLSRPT_RUA_REPEATED, uri);
		return 0;
	}
	if (p->rua_count == SMX_TLSRPT_RUA_MAX) {
		if (!p->is_full)
			find(p, SMX_DIAG_TLSRPT_RUA_MANY, uri);
		p->is_full = true;
		return 0;
	}
	rc = smx_tlsrpt_rua_parse(p->arena, p->record, uri, p->diags, &rua);
	if (rc == 0)
		p->rua[p->rua_count++] = rua;
	return rc == -SMX_ENOMEM ? rc : 0;
}

/* tlsrpt-uri *(*WSP "," *WSP tlsrpt-uri) */
static int
parse_rua(struct parse *p, struct smx_slice name, struct smx_slice value)
{
	size_t at = 0;
	int rc = 0;

	if (p->fields++ == 1)
		find(p, SMX_DIAG_TLSRPT_RUA_SEVERAL, name);
	while (rc == 0 && at <= value.n) {
		struct smx_slice piece = smx_slice_from(value, at);

		piece.n = smx_slice_find(piece, ',');
		at += piece.n + 1;
		piece = smx_slice_from(piece, smx_scan_skip_wsp(piece, 0));
		rc = parse_uri(p, smx_scan_trim_end(piece));
	}
	return rc;
}

/* @return false when the name was found faulty. */
static bool
check_name(struct parse *p, struct smx_slice name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (!smx_scan_is_alnum(c) &&
		    (i == 0 || (c != '_' && c != '-' && c != '.'))) {
			find(p, SMX_DIAG_TLSRPT_FIELD_NAME, name);
			return false;
		}
	}
	if (name.n > SMX_STS_EXT_NAME_MAX) {
		find(p, SMX_DIAG_TLSRPT_FIELD_NAME_LONG, name);
		return false;
	}
	return true;
}

/* tlsrpt-ext-value = 1*(%x21-3A / %x3C / %x3E-7E) */
static void
check_extension(struct parse *p, struct smx_slice name, struct smx_slice value)
{
	if (!check_name(p, name))
		return;
	if (value.n == 0) {
		find(p, SMX_DIAG_TLSRPT_FIELD_VALUE_EMPTY, name);
		return;
	}
	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];

		if (c <= ' ' || c >= 0x7f || c == '=' || c == ';') {
			struct smx_slice rest = smx_slice_from(value, i);
			size_t n = smx_scan_utf8(rest);

			find(p, SMX_DIAG_TLSRPT_FIELD_VALUE_CHAR,
			    smx_slice(rest.p, n != 0 ? n : 1));
			return;
		}
	}
	if (smx_slice_equal(name, SMX_SLICE("v")))
		find(p, SMX_DIAG_TLSRPT_DUPLICATE, name);
}

static int
parse_field(struct parse *p, struct smx_slice field)
{
	size_t equals = smx_slice_find(field, '=');
	struct smx_slice name = smx_slice(field.p, equals);
	struct smx_slice value = smx_slice_from(field, equals + 1);

	if (equals == field.n || equals == 0)
		find(p, SMX_DIAG_TLSRPT_FIELD_NO_VALUE, field);
	else if (smx_scan_is_wsp(name.p[name.n - 1]) ||
	    (value.n > 0 && smx_scan_is_wsp(value.p[0])))
		find(p, SMX_DIAG_TLSRPT_EQUALS_BLANK, field);
	else if (smx_slice_equal(name, SMX_SLICE("rua")))
		return parse_rua(p, name, value);
	else
		check_extension(p, name, value);
	return 0;
}

/* Say what stands where "v=TLSRPTv1" should. */
static void
explain_start(struct parse *p)
{
	struct smx_slice r = p->record;
	size_t end = smx_slice_find(r, ';');
	bool late = false;

	for (size_t i = end; i < r.n; i++)
		if (smx_slice_starts(smx_slice_from(r, i), version))
			late = true;
	find(p, late ? SMX_DIAG_TLSRPT_VERSION_LATE : SMX_DIAG_TLSRPT_VERSION,
	    smx_slice(r.p, end));
}

/* One piece between semicolons; @p is_last: the record ends with it. */
static int
parse_piece(struct parse *p, struct smx_slice piece, bool is_last)
{
	struct smx_slice field = smx_slice_from(piece,
	    smx_scan_skip_wsp(piece, 0));
	struct smx_slice trimmed = smx_scan_trim_end(field);
	int rc;

	if (trimmed.n == 0) {
		/* Nothing behind the last semicolon is as it should be. */
		if (!is_last)
			find(p, SMX_DIAG_TLSRPT_FIELD_EMPTY, trimmed);
		return 0;
	}
	rc = parse_field(p, trimmed);
	if (is_last && trimmed.n < field.n)
		find(p, SMX_DIAG_TLSRPT_END, smx_slice_from(field, trimmed.n));
	return rc;
}

static int
parse_fields(struct parse *p)
{
	struct smx_slice rest = smx_slice_from(p->record, version.n);
	size_t at = smx_scan_skip_wsp(rest, 0);
	int rc = 0;

	if (at == rest.n && at > 0)
		find(p, SMX_DIAG_TLSRPT_END, rest);
	while (rc == 0 && at < rest.n) {
		struct smx_slice piece = smx_slice_from(rest, at + 1);
		size_t end = smx_slice_find(piece, ';');

		rc = parse_piece(p, smx_slice(piece.p, end), end == piece.n);
		at += 1 + end;
	}
	if (p->fields == 0)
		find(p, SMX_DIAG_TLSRPT_RUA_MISSING, smx_slice(p->record.p, 0));
	else if (p->rua_count == 0)
		find(p, SMX_DIAG_TLSRPT_RUA_UNUSABLE,
		    smx_slice(p->record.p, 0));
	return rc;
}

int
smx_tlsrpt_txt_parse(struct smx_arena *a, struct smx_slice record,
    struct smx_diag_list *diags, struct smx_tlsrpt_txt *ret)
{
	struct parse p = { .arena = a, .record = record, .diags = diags };
	size_t at;
	int rc;

	if (record.n > SMX_TXT_MAX) {
		find(&p, SMX_DIAG_TLSRPT_TOO_LONG, smx_slice(record.p, 0));
		return -SMX_EPARSE;
	}
	at = smx_scan_skip_wsp(record, version.n);
	if (!smx_slice_starts(record, version) ||
	    (at < record.n && record.p[at] != ';')) {
		explain_start(&p);
		return -SMX_EPARSE;
	}
	p.rua = smx_arena_take(a, SMX_TLSRPT_RUA_MAX, sizeof(*p.rua));
	if (p.rua == NULL)
		return -SMX_ENOMEM;
	rc = parse_fields(&p);
	if (rc < 0)
		return rc;
	if (diags->fatal.code != SMX_DIAG_OK)
		return -SMX_EPARSE;
	*ret = (struct smx_tlsrpt_txt){ p.rua, p.rua_count };
	return 0;
}
