#include <ldns/ldns.h>

#include "io/dns_packet.h"
#include "core/limits.h"

/* How long a failure or an absence without SOA record is believed. */
#define DEFAULT_TTL_S 60

/* The lowest TTL of a section; CNAMEs count: they too can change. */
static uint32_t
lowest_ttl(const ldns_rr_list *list, uint32_t ttl_s)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		uint32_t t = ldns_rr_ttl(ldns_rr_list_rr(list, i));

		if (t < ttl_s)
			ttl_s = t;
	}
	return ttl_s;
}

/* RFC 2308, 5: absence is believed for the SOA's TTL or its minimum field. */
static uint32_t
absence_ttl(const ldns_pkt *packet)
{
	ldns_rr_list *authority = ldns_pkt_authority(packet);

	for (size_t i = 0; i < ldns_rr_list_rr_count(authority); i++) {
		ldns_rr *rr = ldns_rr_list_rr(authority, i);

		if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_SOA &&
		    ldns_rr_rd_count(rr) == 7) {
			uint32_t minimum =
			    ldns_rdf2native_int32(ldns_rr_rdf(rr, 6));

			return ldns_rr_ttl(rr) < minimum ? ldns_rr_ttl(rr)
							 : minimum;
		}
	}
	return DEFAULT_TTL_S;
}

static enum smx_dns_status
status_of(const ldns_pkt *packet)
{
	switch (ldns_pkt_get_rcode(packet)) {
	case LDNS_RCODE_NOERROR:
		return SMX_DNS_OK;
	case LDNS_RCODE_NXDOMAIN:
		return SMX_DNS_NXDOMAIN;
	case LDNS_RCODE_FORMERR:
	case LDNS_RCODE_SERVFAIL:
	case LDNS_RCODE_NOTIMPL:
	case LDNS_RCODE_REFUSED:
	case LDNS_RCODE_YXDOMAIN:
	case LDNS_RCODE_YXRRSET:
	case LDNS_RCODE_NXRRSET:
	case LDNS_RCODE_NOTAUTH:
	case LDNS_RCODE_NOTZONE:
	default:
		return SMX_DNS_FAILURE;
	}
}

/* Join the character-strings of a TXT record, without blanks between. */
static int
join(ldns_rr *rr, struct smx_arena *a, struct smx_slice *ret)
{
	char *text;
	size_t n = 0;

	text = smx_arena_take(a, SMX_TXT_MAX + 1, 1);
	if (text == NULL)
		return -SMX_ENOMEM;
	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		ldns_rdf *string = ldns_rr_rdf(rr, i);
		size_t bytes = ldns_rdf_size(string);

		if (bytes < 1)
			continue;
		/* The first octet is the string's length. */
		bytes--;
		if (bytes > SMX_TXT_MAX + 1 - n)
			bytes = SMX_TXT_MAX + 1 - n;
		memcpy(text + n, ldns_rdf_data(string) + 1, bytes);
		n += bytes;
	}
	*ret = smx_slice(text, n);
	return 0;
}

/* A name of a record, in text form without the final dot; what needs escaping
 * there is no host name, and stays escaped. */
static int
read_name(const ldns_rdf *rdf, struct smx_arena *a, struct smx_slice *ret)
{
	ldns_buffer *text = ldns_buffer_new(2 * SMX_DOMAIN_MAX);
	int rc = -SMX_ENOMEM;

	if (text == NULL)
		return rc;
	if (ldns_rdf2buffer_str_dname(text, rdf) == LDNS_STATUS_OK) {
		struct smx_slice s = smx_slice((char *)ldns_buffer_begin(text),
		    ldns_buffer_position(text));

		if (s.n > 0 && s.p[s.n - 1] == '.')
			s.n--;
		*ret = smx_slice(smx_arena_copy(a, s), s.n);
		rc = ret->p != NULL ? 0 : -SMX_ENOMEM;
	}
	ldns_buffer_free(text);
	return rc;
}

static int
read_mx(ldns_rr *rr, struct smx_arena *a, struct smx_dns_mx *ret)
{
	if (ldns_rr_rd_count(rr) != 2)
		return -SMX_EPARSE;
	ret->preference = ldns_rdf2native_int16(ldns_rr_rdf(rr, 0));
	return read_name(ldns_rr_rdf(rr, 1), a, &ret->host);
}

static int
read_tlsa(ldns_rr *rr, struct smx_arena *a, struct smx_dns_tlsa *ret)
{
	ldns_rdf *data;
	char *copy;

	if (ldns_rr_rd_count(rr) != 4)
		return -SMX_EPARSE;
	ret->usage = ldns_rdf2native_int8(ldns_rr_rdf(rr, 0));
	ret->selector = ldns_rdf2native_int8(ldns_rr_rdf(rr, 1));
	ret->matching = ldns_rdf2native_int8(ldns_rr_rdf(rr, 2));
	data = ldns_rr_rdf(rr, 3);
	copy = smx_arena_copy(a,
	    smx_slice((char *)ldns_rdf_data(data), ldns_rdf_size(data)));
	ret->data = smx_slice(copy, ldns_rdf_size(data));
	return copy != NULL ? 0 : -SMX_ENOMEM;
}

static int
read_address(ldns_rr *rr, struct smx_ip *ret)
{
	ldns_rdf *rdf;
	size_t bytes;

	if (ldns_rr_rd_count(rr) != 1)
		return -SMX_EPARSE;
	rdf = ldns_rr_rdf(rr, 0);
	*ret = (struct smx_ip){ 0 };
	ret->is_v6 = ldns_rr_get_type(rr) == LDNS_RR_TYPE_AAAA;
	bytes = ret->is_v6 ? 16 : 4;
	if (ldns_rdf_size(rdf) != bytes)
		return -SMX_EPARSE;
	memcpy(ret->bytes, ldns_rdf_data(rdf), bytes);
	return 0;
}

/* The list of one answer, while it is filled. */
struct list {
	struct smx_slice *texts;
	struct smx_dns_mx *mx;
	struct smx_dns_tlsa *tlsa;
	struct smx_ip *addresses;
	size_t max;
};

static bool
make_list(struct list *l, enum smx_dns_type type, struct smx_arena *a,
    struct smx_dns_answer *ret)
{
	switch (type) {
	case SMX_DNS_TXT:
		l->max = SMX_TXT_COUNT_MAX;
		ret->texts = l->texts = smx_arena_take(a, l->max,
		    sizeof(*l->texts));
		return l->texts != NULL;
	case SMX_DNS_MX:
		l->max = SMX_DNS_MX_MAX;
		ret->mx = l->mx = smx_arena_take(a, l->max, sizeof(*l->mx));
		return l->mx != NULL;
	case SMX_DNS_TLSA:
		l->max = SMX_DNS_TLSA_MAX;
		ret->tlsa = l->tlsa = smx_arena_take(a, l->max,
		    sizeof(*l->tlsa));
		return l->tlsa != NULL;
	case SMX_DNS_A:
	case SMX_DNS_AAAA:
	default:
		l->max = SMX_DNS_ADDRESS_MAX;
		ret->addresses = l->addresses = smx_arena_take(a, l->max,
		    sizeof(*l->addresses));
		return l->addresses != NULL;
	}
}

static int
read_record(ldns_rr *rr, struct list *l, size_t at, struct smx_arena *a)
{
	if (l->texts != NULL)
		return join(rr, a, &l->texts[at]);
	if (l->mx != NULL)
		return read_mx(rr, a, &l->mx[at]);
	if (l->tlsa != NULL)
		return read_tlsa(rr, a, &l->tlsa[at]);
	return read_address(rr, &l->addresses[at]);
}

/* How many CNAMEs are followed within one answer. */
#define ALIAS_MAX 32

/* The end of the chain of CNAMEs that begins at the name asked for. */
static int
find_alias(const ldns_pkt *p, struct smx_arena *a, struct smx_slice *ret)
{
	const ldns_rr_list *answer = ldns_pkt_answer(p);
	ldns_rr_list *question = ldns_pkt_question(p);
	const ldns_rdf *at;
	bool found = ldns_rr_list_rr_count(question) == 1;

	if (!found)
		return 0;
	at = ldns_rr_owner(ldns_rr_list_rr(question, 0));
	for (size_t hop = 0; found && hop < ALIAS_MAX; hop++) {
		found = false;
		for (size_t i = 0; i < ldns_rr_list_rr_count(answer); i++) {
			ldns_rr *rr = ldns_rr_list_rr(answer, i);

			if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_CNAME ||
			    ldns_rr_rd_count(rr) != 1 ||
			    ldns_dname_compare(ldns_rr_owner(rr), at) != 0)
				continue;
			at = ldns_rr_rdf(rr, 0);
			found = true;
			break;
		}
	}
	if (at == ldns_rr_owner(ldns_rr_list_rr(question, 0)))
		return 0;
	return read_name(at, a, ret);
}

void
smx_dns_packet_read(struct smx_slice packet, enum smx_dns_type type,
    struct smx_arena *a, struct smx_dns_answer *ret)
{
	struct list list = { 0 };
	ldns_pkt *p = NULL;
	ldns_rr_list *answer;

	*ret = (struct smx_dns_answer){ .status = SMX_DNS_FAILURE,
		.ttl_s = DEFAULT_TTL_S };
	if (ldns_wire2pkt(&p, (const uint8_t *)packet.p, packet.n) !=
	    LDNS_STATUS_OK)
		return;
	if (!make_list(&list, type, a, ret) ||
	    find_alias(p, a, &ret->alias) < 0)
		goto out;
	ret->status = status_of(p);
	answer = ldns_pkt_answer(p);
	for (size_t i = 0; i < ldns_rr_list_rr_count(answer); i++) {
		ldns_rr *rr = ldns_rr_list_rr(answer, i);

		if ((int)ldns_rr_get_type(rr) == (int)type &&
		    ret->count < list.max &&
		    read_record(rr, &list, ret->count, a) == 0)
			ret->count++;
	}
	if (ret->status == SMX_DNS_OK && ret->count == 0)
		ret->status = SMX_DNS_NODATA;
	ret->ttl_s = ret->status == SMX_DNS_OK ? lowest_ttl(answer, UINT32_MAX)
					       : absence_ttl(p);
out:
	ldns_pkt_free(p);
}
