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

void
smx_dns_packet_txt(const void *packet, size_t bytes, struct smx_arena *a,
    struct smx_dns_txt *ret)
{
	struct smx_slice *records = smx_arena_take(a, SMX_TXT_COUNT_MAX,
	    sizeof(*records));
	ldns_pkt *p = NULL;
	ldns_rr_list *answer;

	ret->status = SMX_DNS_FAILURE;
	ret->ttl_s = DEFAULT_TTL_S;
	ret->records = records;
	ret->count = 0;
	if (records == NULL ||
	    ldns_wire2pkt(&p, packet, bytes) != LDNS_STATUS_OK)
		return;
	ret->status = status_of(p);
	answer = ldns_pkt_answer(p);
	for (size_t i = 0; i < ldns_rr_list_rr_count(answer); i++) {
		ldns_rr *rr = ldns_rr_list_rr(answer, i);

		if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_TXT &&
		    ret->count < SMX_TXT_COUNT_MAX &&
		    join(rr, a, &records[ret->count]) == 0)
			ret->count++;
	}
	if (ret->status == SMX_DNS_OK && ret->count == 0)
		ret->status = SMX_DNS_NODATA;
	ret->ttl_s = ret->status == SMX_DNS_OK ? lowest_ttl(answer, UINT32_MAX)
					       : absence_ttl(p);
	ldns_pkt_free(p);
}

static void
add_address(ldns_rr *rr, struct smx_dns_addresses *ret)
{
	struct sockaddr_storage *to = &ret->list[ret->count];
	struct sockaddr_in *v4 = (void *)to;
	struct sockaddr_in6 *v6 = (void *)to;
	ldns_rdf *rdf;

	if (ret->count == SMX_DNS_ADDRESS_MAX || ldns_rr_rd_count(rr) != 1)
		return;
	rdf = ldns_rr_rdf(rr, 0);
	*to = (struct sockaddr_storage){ 0 };
	if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_A &&
	    ldns_rdf_size(rdf) == sizeof(v4->sin_addr)) {
		v4->sin_family = AF_INET;
		memcpy(&v4->sin_addr, ldns_rdf_data(rdf), 4);
		ret->count++;
	} else if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_AAAA &&
	    ldns_rdf_size(rdf) == sizeof(v6->sin6_addr)) {
		v6->sin6_family = AF_INET6;
		memcpy(&v6->sin6_addr, ldns_rdf_data(rdf), 16);
		ret->count++;
	}
}

enum smx_dns_status
smx_dns_packet_addresses(const void *packet, size_t bytes,
    struct smx_dns_addresses *ret)
{
	enum smx_dns_status status;
	size_t before = ret->count;
	ldns_pkt *p = NULL;
	ldns_rr_list *answer;

	if (ldns_wire2pkt(&p, packet, bytes) != LDNS_STATUS_OK)
		return SMX_DNS_FAILURE;
	status = status_of(p);
	answer = ldns_pkt_answer(p);
	for (size_t i = 0; i < ldns_rr_list_rr_count(answer); i++)
		add_address(ldns_rr_list_rr(answer, i), ret);
	ldns_pkt_free(p);
	if (status == SMX_DNS_OK && ret->count == before)
		status = SMX_DNS_NODATA;
	return status;
}
