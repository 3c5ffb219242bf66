#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>

#include "app/strictmx/out_check_text.h"
#include "app/strictmx/out_table.h"
#include "base/scan.h"
#include "core/date.h"
#include "core/mx_advice.h"
#include "core/tlsrpt_txt.h"
#include "engine/check_judge.h"
#include "engine/check_verdict.h"

#define RED    "\033[1;31m"
#define YELLOW "\033[1;33m"
#define GREEN  "\033[1;32m"
#define CYAN   "\033[1;36m"
#define BOLD   "\033[1m"
#define PLAIN  "\033[0m"

/* What is shown of a text from outside. */
#define SHOWN_MAX 400
/* Where facts begin, behind their names. */
#define FACT_COLUMN 13
#define MARK_COLUMN 10

struct page {
	const struct smx_check *check;
	const struct smx_out_check_style *style;
	struct smx_buf *out;
};

static void
paint(const struct page *p, const char *colour)
{
	if (p->style->colour)
		smx_buf_add_text(p->out, colour);
}

/* Text in lines that keep within the width; the first begins in column
 * @p first_at, where the cursor is, the others are indented to @p at. */
static void
wrap_from(const struct page *p, struct smx_slice text, size_t first_at,
    size_t at)
{
	bool first = true;

	while (text.n > 0) {
		size_t begin = first ? first_at : at;
		size_t room = p->style->width > begin + 20
		    ? p->style->width - begin
		    : 20;
		size_t cut = text.n, next;

		if (cut > room) {
			cut = room;
			while (cut > 0 && text.p[cut] != ' ')
				cut--;
			if (cut == 0)
				cut = room;
		}
		next = cut;
		while (next < text.n && text.p[next] == ' ')
			next++;
		if (!first)
			smx_buf_printf(p->out, "%*s", (int)at, "");
		smx_buf_add(p->out, smx_slice(text.p, cut));
		smx_buf_add_char(p->out, '\n');
		text = smx_slice_from(text, next);
		first = false;
	}
	if (first)
		smx_buf_add_char(p->out, '\n');
}

static void
wrap(const struct page *p, struct smx_slice text, size_t at)
{
	wrap_from(p, text, at, at);
}

static void
wrap_buf(const struct page *p, const struct smx_buf *text, size_t at)
{
	wrap(p, smx_buf_slice(text), at);
}

/* Bytes from outside, safe and not too long. */
static void
add_shown(struct smx_buf *to, struct smx_slice s)
{
	bool cut = s.n > SHOWN_MAX;

	if (cut)
		s.n = SHOWN_MAX;
	smx_buf_add_escaped(to, s);
	if (cut)
		smx_buf_add_text(to, "...");
}

/* A code in words, without the prefix that is clear from where it stands. */
static void
add_words(struct smx_buf *to, enum smx_diag_code code)
{
	static const char *const prefixes[] = { "smtp-", "host-", "mx-" };
	const char *name = smx_diag_row(code)->name;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t n = strlen(prefixes[i]);

		if (strncmp(name, prefixes[i], n) == 0) {
			name += n;
			break;
		}
	}
	for (; *name != '\0'; name++)
		smx_buf_add_char(to, *name == '-' ? ' ' : *name);
}

static const char *
colour_of(enum smx_check_verdict verdict)
{
	switch (verdict) {
	case SMX_CHECK_PROTECTED:
	case SMX_CHECK_NO_MAIL:
		return GREEN;
	case SMX_CHECK_DEFERRED:
	case SMX_CHECK_BROKEN:
	case SMX_CHECK_PARTLY:
		return RED;
	case SMX_CHECK_WARNINGS:
	case SMX_CHECK_TESTING:
	case SMX_CHECK_WITHDRAWN:
	case SMX_CHECK_NOT_DEPLOYED:
	case SMX_CHECK_UNDETERMINED:
	case SMX_CHECK_VERDICT_COUNT:
	default:
		return YELLOW;
	}
}

static void
print_headline(const struct page *p)
{
	const struct smx_check *c = p->check;

	paint(p, BOLD);
	smx_buf_add(p->out, c->facts.domain);
	paint(p, PLAIN);
	smx_buf_add_text(p->out, ": ");
	paint(p, colour_of(c->verdict));
	wrap_from(p, c->headline, c->facts.domain.n + 2, 4);
	paint(p, PLAIN);
}

void
smx_out_check_text_headline(const struct smx_check *c,
    const struct smx_out_check_style *style, struct smx_buf *out)
{
	/* For grep: one line, however wide. */
	const struct smx_out_check_style wide = { style->colour, SIZE_MAX };
	const struct page p = { c, &wide, out };

	print_headline(&p);
}

static void
fact(const struct page *p, const char *name, const struct smx_buf *text)
{
	paint(p, BOLD);
	smx_buf_printf(p->out, "%-*s", FACT_COLUMN, name);
	paint(p, PLAIN);
	wrap_buf(p, text, FACT_COLUMN);
}

static void
add_count(struct smx_buf *to, size_t n, const char *one, const char *many)
{
	smx_buf_printf(to, "%zu %s", n, n == 1 ? one : many);
}

/* Why there is no record to show. */
static const char *
missing(const struct smx_dns_answer *a)
{
	switch (a->status) {
	case SMX_DNS_OK:
		return a->count > 1 ? "several" : "none that counts";
	case SMX_DNS_NODATA:
	case SMX_DNS_NXDOMAIN:
		return "none";
	case SMX_DNS_FAILURE:
	case SMX_DNS_TIMEOUT:
	case SMX_DNS_BOGUS:
	default:
		return "not known";
	}
}

static void
print_record(const struct page *p, struct smx_buf *line)
{
	const struct smx_check_facts *f = &p->check->facts;

	if (f->record_text.n == 0 && f->record.count == 1)
		add_shown(line, f->record.texts[0]);
	else if (f->record_text.n == 0)
		smx_buf_add_text(line, missing(&f->record));
	else
		add_shown(line, f->record_text);
	if (f->record.secure)
		smx_buf_add_text(line, " (signed by DNSSEC)");
	fact(p, "Record", line);
}

static void
print_host(const struct page *p, struct smx_buf *line)
{
	const struct smx_check_facts *f = &p->check->facts;

	if (f->host_addresses.count == 0) {
		smx_buf_add_text(line, "no address");
		fact(p, "Policy host", line);
		return;
	}
	for (size_t i = 0; i < f->host_addresses.count; i++) {
		const struct smx_check_host *h = &f->hosts[i];

		smx_buf_reset(line);
		smx_ip_print(&h->ip, line);
		smx_buf_add_text(line, ": ");
		if (h->code == SMX_DIAG_OK)
			smx_buf_add_text(line, "policy served, ");
		else
			add_words(line, h->code);
		if (h->certificate != NULL && h->certificate->faults == 0) {
			if (h->code != SMX_DIAG_OK)
				smx_buf_add_text(line, ", ");
			smx_buf_add(line, h->tls_version);
			smx_buf_add_text(line, ", certificate until ");
			smx_date_print(h->certificate->not_after, line);
			smx_buf_add_text(line, ", by ");
			add_shown(line, h->certificate->issuer);
		} else if (h->code == SMX_DIAG_OK) {
			smx_buf_add_text(line, "no certificate seen");
		}
		fact(p, i == 0 ? "Policy host" : "", line);
	}
}

static void
print_policy(const struct page *p, struct smx_buf *line)
{
	const struct smx_check_facts *f = &p->check->facts;
	uint32_t age = f->policy.max_age_s;

	if (!f->has_policy) {
		smx_buf_add_text(line, "none that is valid");
		fact(p, "Policy", line);
		return;
	}
	smx_buf_printf(line, "mode %s, max_age ",
	    smx_sts_policy_mode_text(f->policy.mode));
	if (age >= 2 * 86400)
		add_count(line, age / 86400, "day", "days");
	else
		add_count(line, age, "second", "seconds");
	for (size_t i = 0; i < f->policy.mx_count && i < 10; i++) {
		smx_buf_add_text(line, i == 0 ? ", mx " : ", ");
		add_shown(line, f->policy.mx[i]);
	}
	if (f->policy.mx_count > 10)
		smx_buf_printf(line, " and %zu more", f->policy.mx_count - 10);
	fact(p, "Policy", line);
}

static const char *
beside_word(const struct smx_check *c, enum smx_diag_code none,
    const struct smx_dns_answer *answer, struct smx_slice found)
{
	if (found.n > 0)
		return "yes";
	for (size_t i = 0; i < smx_check_findings_kept(c); i++)
		if (c->findings[i].diag.code == none)
			return "no";
	return answer->status == SMX_DNS_OK ? "several" : "not known";
}

static void
print_rest(const struct page *p, struct smx_buf *line)
{
	const struct smx_check *c = p->check;
	const struct smx_check_facts *f = &p->check->facts;

	smx_buf_reset(line);
	for (size_t i = 0; i < f->rua_count; i++) {
		if (i > 0)
			smx_buf_add_text(line, ", ");
		add_shown(line, f->rua[i].uri);
	}
	if (f->rua_count == 0)
		smx_buf_add_text(line,
		    f->tlsrpt_text.n > 0 ? "no usable address"
					 : missing(&f->tlsrpt));
	fact(p, "TLS reports", line);
	smx_buf_reset(line);
	smx_buf_printf(line,
	    "SPF %s, DMARC %s (they cover who sends as this domain)",
	    beside_word(c, SMX_DIAG_SPF_NONE, &f->at_domain, f->spf),
	    beside_word(c, SMX_DIAG_DMARC_NONE, &f->dmarc, f->dmarc_text));
	fact(p, "Beside it", line);
}

static const char *
dane_word(const struct page *p, const struct smx_check_mx *mx,
    const struct smx_check_session *s)
{
	if (mx->tlsa.status != SMX_DNS_OK)
		return "-";
	if (p->check->world->settings.no_dnssec)
		return "?";
	if (!mx->tlsa.secure)
		return "unsigned";
	if (!s->done || s->code != SMX_DIAG_OK)
		return "?";
	return s->tlsa_matched != 0 ? "matches"
	    : mx->dane_holds        ? "mismatch"
				    : "unusable";
}

static void
certificate_words(const struct smx_check_session *s, struct smx_buf *to)
{
	if (s->certificate == NULL) {
		smx_buf_add_char(to, '-');
		return;
	}
	if (s->certificate->faults == 0) {
		smx_buf_add_text(to, "until ");
		smx_date_print(s->certificate->not_after, to);
		return;
	}
	smx_buf_add_text(to, "not valid");
}

struct row {
	const struct smx_check_mx *mx;
	const struct smx_check_session *session; /* NULL: no address */
	bool is_first;
};

enum {
	COL_PREF,
	COL_HOST,
	COL_ADDRESS,
	COL_POLICY,
	COL_TLS,
	COL_CERT,
	COL_DANE
};

/* @return false when out of memory. */
static bool
add_row(const struct page *p, struct libscols_table *t, const struct row *r)
{
	const struct smx_check_facts *f = &p->check->facts;
	struct libscols_line *line = scols_table_new_line(t, NULL);
	const struct smx_check_session *s = r->session;
	char storage[1024];
	struct smx_buf cell;
	int bad = 0;

	if (line == NULL)
		return false;
	smx_buf_init_fixed(&cell, storage, sizeof(storage));
	if (r->is_first) {
		smx_buf_printf(&cell, "%u", r->mx->preference);
		bad |= scols_line_set_data(line, COL_PREF, smx_buf_text(&cell));
		smx_buf_reset(&cell);
		/* The presentation form of DNS: nothing to escape. */
		smx_buf_add(&cell, r->mx->host);
		bad |= scols_line_set_data(line, COL_HOST, smx_buf_text(&cell));
		bad |= scols_line_set_data(line, COL_POLICY,
		    !f->has_policy || f->policy.mode == SMX_STS_NONE ? "-"
			: r->mx->is_allowed                          ? "allowed"
					    : "NOT IN");
	}
	smx_buf_reset(&cell);
	if (s == NULL) {
		bad |= scols_line_set_data(line, COL_ADDRESS, "none");
		return bad == 0;
	}
	smx_ip_print(&s->ip, &cell);
	bad |= scols_line_set_data(line, COL_ADDRESS, smx_buf_text(&cell));
	smx_buf_reset(&cell);
	if (!s->done)
		smx_buf_add_text(&cell, "not asked");
	else if (s->code != SMX_DIAG_OK)
		add_words(&cell, s->code);
	else
		smx_buf_add(&cell, s->tls_version);
	bad |= scols_line_set_data(line, COL_TLS, smx_buf_text(&cell));
	smx_buf_reset(&cell);
	certificate_words(s, &cell);
	bad |= scols_line_set_data(line, COL_CERT, smx_buf_text(&cell));
	bad |= scols_line_set_data(line, COL_DANE, dane_word(p, r->mx, s));
	return bad == 0;
}

static void
print_mx(const struct page *p)
{
	static const char *const names[] = { "PREF", "MX HOST", "ADDRESS",
		"POLICY", "TLS", "CERTIFICATE", "DANE" };
	const struct smx_check_facts *f = &p->check->facts;
	struct libscols_table *t = scols_new_table();
	bool ok = t != NULL;

	for (size_t i = 0; ok && i < sizeof(names) / sizeof(names[0]); i++)
		ok = scols_table_new_column(t, names[i], 0,
			 i == COL_PREF       ? SCOLS_FL_RIGHT
			     : i == COL_HOST ? SCOLS_FL_WRAP
					     : 0) != NULL;
	for (size_t i = 0; ok && i < f->mx_count; i++) {
		const struct smx_check_mx *mx = &f->mx[i];
		struct row row = { .mx = mx, .is_first = true };

		if (mx->addresses.count == 0)
			ok = add_row(p, t, &row);
		for (size_t j = 0; ok && j < mx->addresses.count; j++) {
			row.session = &mx->sessions[j];
			ok = add_row(p, t, &row);
			row.is_first = false;
		}
	}
	if (ok) {
		scols_table_set_termforce(t, SCOLS_TERMFORCE_ALWAYS);
		scols_table_set_termwidth(t, p->style->width);
	}
	if (ok && f->mx_count > 0) {
		smx_buf_add_char(p->out, '\n');
		smx_out_table_print(t, p->out);
	}
	scols_unref_table(t);
}

static void
print_where(const struct smx_check_finding *f, struct smx_buf *line)
{
	for (size_t i = 0; i < f->where_count; i++) {
		smx_buf_add_text(line, i == 0 ? "at " : ", ");
		smx_ip_print(&f->where[i], line);
	}
	if (f->where_count > 0 && f->evidence.n > 0)
		smx_buf_add_text(line, ": ");
}

/* What is wrong, and with what. */
static void
add_subject(const struct smx_check_finding *f, struct smx_buf *line)
{
	if (f->section == SMX_CHECK_POLICY && f->diag.line > 0)
		smx_buf_printf(line, "line %u of the policy: ", f->diag.line);
	smx_diag_print(&f->diag, line);
}

/* Is the evidence the text of a record? Quotes show blanks at its ends. */
static bool
is_record(const struct smx_check_finding *f)
{
	return f->evidence.n > 0 && f->diag.line > 0 &&
	    f->section != SMX_CHECK_POLICY;
}

static void
print_finding(const struct page *p, const struct smx_check_finding *f,
    struct smx_buf *line)
{
	static const char *const colours[] = {
		[SMX_DIAG_INFO] = CYAN,
		[SMX_DIAG_WARNING] = YELLOW,
		[SMX_DIAG_ERROR] = RED,
	};
	const struct smx_diag_row *row = smx_diag_row(f->diag.code);

	paint(p, colours[row->severity]);
	smx_buf_printf(p->out, " %-*s", MARK_COLUMN - 1,
	    smx_diag_severity_text(row->severity));
	paint(p, PLAIN);
	smx_buf_reset(line);
	add_subject(f, line);
	wrap_buf(p, line, MARK_COLUMN);
	smx_buf_reset(line);
	print_where(f, line);
	if (is_record(f))
		smx_buf_add_char(line, '"');
	add_shown(line, f->evidence);
	if (is_record(f))
		smx_buf_add_char(line, '"');
	if (line->n > 0) {
		smx_buf_printf(p->out, "%*s", MARK_COLUMN, "");
		wrap_buf(p, line, MARK_COLUMN);
	}
	smx_buf_printf(p->out, "%*s[%s%s%s]\n", MARK_COLUMN, "", row->name,
	    row->rfc[0] != '\0' ? ", " : "", row->rfc);
	/* What is to be mended has a list of its own. */
	if (row->severity != SMX_DIAG_INFO ||
	    strncmp(row->fix, "nothing", 7) == 0)
		return;
	smx_buf_reset(line);
	smx_diag_print_fix(&f->diag, line);
	smx_buf_printf(p->out, "%*s", MARK_COLUMN, "");
	wrap_buf(p, line, MARK_COLUMN);
}

static void
print_findings(const struct page *p, struct smx_buf *line)
{
	const struct smx_check *c = p->check;

	if (c->finding_count == 0)
		return;
	smx_buf_add_char(p->out, '\n');
	paint(p, BOLD);
	smx_buf_add_text(p->out, "Found\n");
	paint(p, PLAIN);
	for (unsigned section = 0; section < SMX_CHECK_SECTION_COUNT; section++)
		for (size_t i = 0; i < smx_check_findings_kept(c); i++)
			if (c->findings[i].section == section)
				print_finding(p, &c->findings[i], line);
	if (c->finding_count > SMX_CHECK_FINDING_MAX)
		smx_buf_printf(p->out, " %zu more are left out\n",
		    c->finding_count - SMX_CHECK_FINDING_MAX);
}

/* The same advice for the same thing is given once. */
static bool
is_told(const struct smx_check_finding *const *order, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (order[j]->diag.code == order[i]->diag.code &&
		    order[j]->diag.line == order[i]->diag.line &&
		    smx_slice_equal(order[j]->diag.arg, order[i]->diag.arg) &&
		    smx_slice_equal(order[j]->diag.hint, order[i]->diag.hint))
			return true;
	return false;
}

static void
print_fixes(const struct page *p, struct smx_buf *line)
{
	const struct smx_check_finding *order[SMX_CHECK_FINDING_MAX];
	size_t n = smx_check_verdict_order(p->check, order), number = 0;

	for (size_t i = 0; i < n; i++) {
		if (is_told(order, i))
			continue;
		if (number++ == 0) {
			smx_buf_add_char(p->out, '\n');
			paint(p, BOLD);
			smx_buf_add_text(p->out,
			    n == 1 ? "What to do\n"
				   : "What to do, in this order\n");
			paint(p, PLAIN);
		}
		smx_buf_printf(p->out, " %2zu. ", number);
		smx_buf_reset(line);
		add_subject(order[i], line);
		wrap_buf(p, line, 5);
		smx_buf_reset(line);
		smx_buf_add_text(line, "-> ");
		smx_diag_print_fix(&order[i]->diag, line);
		smx_buf_printf(p->out, "%*s", 5, "");
		wrap_buf(p, line, 8);
	}
}

/* Would another policy mend anything? */
static bool
wants_policy(const struct smx_check *c)
{
	const struct smx_check_facts *f = &c->facts;

	if (!f->has_policy)
		return true;
	for (size_t i = 0; i < f->mx_count; i++)
		if (!f->mx[i].is_allowed && f->policy.mode != SMX_STS_NONE)
			return true;
	return false;
}

static void
print_policy_to_be(const struct page *p)
{
	const struct smx_check_facts *f = &p->check->facts;
	struct smx_slice hosts[SMX_CHECK_MX_MAX];
	enum smx_sts_mode mode = SMX_STS_TESTING;
	uint32_t max_age_s = 604800;

	for (size_t i = 0; i < f->mx_count; i++)
		hosts[i] = f->mx[i].host;
	if (f->has_policy && f->policy.mode == SMX_STS_ENFORCE)
		mode = SMX_STS_ENFORCE;
	if (f->has_policy && f->policy.max_age_s > max_age_s)
		max_age_s = f->policy.max_age_s;
	smx_buf_add_char(p->out, '\n');
	paint(p, BOLD);
	smx_buf_add_text(p->out, "The policy that fits the MX records, for\n");
	paint(p, PLAIN);
	smx_buf_add_text(p->out, "https://mta-sts.");
	smx_buf_add(p->out, f->domain);
	smx_buf_add_text(p->out, "/.well-known/mta-sts.txt\n\n");
	smx_mx_advice_print_policy(hosts, f->mx_count, mode, max_age_s, p->out);
}

static void
print_record_to_be(const struct page *p)
{
	smx_buf_add_char(p->out, '\n');
	paint(p, BOLD);
	smx_buf_add_text(p->out, "The TXT record, for ");
	paint(p, PLAIN);
	smx_buf_add_text(p->out, "_mta-sts.");
	smx_buf_add(p->out, p->check->facts.domain);
	smx_buf_add_text(p->out, "\n\n\"v=STSv1; id=");
	smx_date_print_id(p->check->facts.now.wall, p->out);
	smx_buf_add_text(p->out, ";\"\n");
}

/* What would be right, ready to paste; the record comes with each change. */
static void
print_to_be(const struct page *p)
{
	const struct smx_check *c = p->check;

	if (c->facts.mx_count == 0 || c->verdict == SMX_CHECK_UNDETERMINED ||
	    c->verdict == SMX_CHECK_NO_MAIL)
		return;
	if (wants_policy(c))
		print_policy_to_be(p);
	else if (c->facts.id.n > 0)
		return;
	print_record_to_be(p);
}

void
smx_out_check_text(const struct smx_check *c,
    const struct smx_out_check_style *style, struct smx_buf *out)
{
	const struct page p = { c, style, out };
	struct smx_buf line;

	smx_buf_init(&line, 65536);
	print_headline(&p);
	if (c->reason.n > 0)
		wrap(&p, c->reason, 0);
	if (c->facts.exists) {
		smx_buf_add_char(out, '\n');
		if (c->facts.is_deployed) {
			print_record(&p, &line);
			smx_buf_reset(&line);
			print_host(&p, &line);
			smx_buf_reset(&line);
			print_policy(&p, &line);
		}
		print_rest(&p, &line);
		print_mx(&p);
	}
	print_findings(&p, &line);
	print_fixes(&p, &line);
	print_to_be(&p);
	smx_buf_done(&line);
}
