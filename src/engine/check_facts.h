/**
 * What `strictmx check` finds out about a domain, before it is judged.
 *
 * Layer:   engine. Data only.
 * Memory:  everything lives in the arena of the check.
 */
#ifndef SMX_ENGINE_CHECK_FACTS_H
#define SMX_ENGINE_CHECK_FACTS_H

#include "core/certificate.h"
#include "core/diag.h"
#include "core/ip.h"
#include "core/sts_policy.h"
#include "engine/port_dns.h"

/** Looked at of one domain. */
#define SMX_CHECK_MX_MAX      SMX_DNS_MX_MAX
#define SMX_CHECK_ADDRESS_MAX 8
#define SMX_CHECK_RUA_MAX     8
#define SMX_CHECK_SESSION_MAX 64

/** A and AAAA records of one name. */
struct smx_check_addresses {
	enum smx_dns_status status; /* as in smx_dns_addresses: OK when any */
	enum smx_dns_status v4_status, v6_status;
	bool secure;
	struct smx_slice alias;
	struct smx_ip list[SMX_CHECK_ADDRESS_MAX];
	size_t count;
	size_t total; /* also those beyond the maximum */
};

/** One address of the policy host, asked for the policy. */
struct smx_check_host {
	struct smx_ip ip;
	enum smx_diag_code code; /* SMX_DIAG_OK: a body came */
	struct smx_slice detail;
	struct smx_slice body;
	struct smx_slice tls_version;
	const struct smx_certificate *certificate; /* NULL: none was seen */
};

/** One address of an MX host. */
struct smx_check_session {
	struct smx_ip ip;
	bool done; /* it was connected to, or tried */
	bool is_connected;
	enum smx_diag_code code; /* SMX_DIAG_OK: TLS came about */
	struct smx_slice detail;
	struct smx_slice greeting;
	struct smx_slice name;
	struct smx_slice tls_version;
	struct smx_slice cipher;
	const struct smx_certificate *certificate; /* NULL: none was seen */
	uint32_t tlsa_usable;
	uint32_t tlsa_matched;
	bool is_right_without_sni;
};

struct smx_check_mx {
	uint16_t preference;
	struct smx_slice host;
	bool is_host;    /* it is a host name */
	bool is_allowed; /* by the policy, if there is one */
	struct smx_check_addresses addresses;
	struct smx_check_session *sessions; /* one for each address kept */
	struct smx_dns_answer tlsa;
	/* Judged: */
	bool sts_fails;  /* no strict sender can deliver there */
	bool dane_holds; /* usable, secure TLSA records: senders insist */
	bool dane_fails; /* and they refuse it */
	bool nobody;     /* no sender at all gets through */
	bool is_unknown; /* could not be looked at */
};

/** One address for TLS reports. */
struct smx_check_rua {
	struct smx_slice uri;
	bool is_mail;
	struct smx_slice domain; /* of the address, or the https host */
	uint16_t port;           /* of https */
	enum smx_dns_status mx_status;
	struct smx_check_addresses addresses; /* of a mail domain */
	bool is_null_mx;
	enum smx_diag_code https_code;
	struct smx_slice detail;
};

struct smx_check_facts {
	struct smx_now now; /* when it began */
	struct smx_slice domain;
	struct smx_dns_answer record;    /* _mta-sts. */
	struct smx_dns_answer at_domain; /* the domain itself */
	struct smx_dns_answer at_host;   /* mta-sts. */
	struct smx_dns_answer tlsrpt;    /* _smtp._tls. */
	struct smx_dns_answer dmarc;     /* _dmarc. */
	struct smx_dns_answer mx_answer;
	struct smx_check_addresses domain_addresses; /* without MX records */
	struct smx_check_addresses host_addresses;   /* mta-sts. */
	struct smx_check_host hosts[SMX_CHECK_ADDRESS_MAX];
	struct smx_slice record_text; /* of the record in use; may be empty */
	struct smx_slice id;          /* empty: the record is not valid */
	bool exists;                  /* the domain, in DNS */
	bool is_deployed;             /* there is a sign of MTA-STS */
	bool has_policy;
	struct smx_sts_policy policy; /* of the first address with a valid one */
	struct smx_check_mx mx[SMX_CHECK_MX_MAX]; /* by preference */
	size_t mx_count;
	bool is_null_mx;
	bool is_implicit_mx;
	struct smx_slice tlsrpt_text;
	struct smx_check_rua rua[SMX_CHECK_RUA_MAX];
	size_t rua_count;
	struct smx_slice spf; /* empty: none, or several */
	struct smx_slice dmarc_text;
	bool smtp_is_skipped; /* the MX hosts were not connected to */
	bool v6_is_skipped;
};

#endif
