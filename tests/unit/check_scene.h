/**
 * A domain as a script, and ports that play it, for tests of engine/check*.c.
 *
 * A scene that is all zero is a domain with two MX hosts where everything is
 * right; a test changes what it is about. Answers lie in storage that is
 * overwritten as soon as the callback returns. Nothing here allocates, so that
 * the allocations of the check alone can be made to fail.
 */
#ifndef SMX_TESTS_CHECK_SCENE_H
#define SMX_TESTS_CHECK_SCENE_H

#include "unit.h"
#include "core/limits.h"
#include "engine/check.h"
#include "engine/check_verdict.h"

#define SCENE_DOMAIN "example.com"
#define SCENE_NOW    ((smx_time)1800000000 * SMX_SECOND) /* 2027-01-15 */
#define SCENE_SOON   (14 * SMX_DAY)
#define SCENE_MX_MAX 4

enum scene_tlsa {
	SCENE_NO_TLSA,
	SCENE_TLSA_MATCHES,
	SCENE_TLSA_PAIR,
	SCENE_TLSA_OTHER, /* no record matches */
	SCENE_TLSA_UNUSABLE,
	SCENE_TLSA_FAILURE,
};

struct scene_mx {
	const char *host;              /* NULL: no more */
	enum smx_dns_status status;    /* of its addresses */
	enum smx_dns_status v6_status; /* OK: NODATA */
	bool insecure;                 /* not signed */
	enum smx_diag_code code;       /* of the session */
	bool is_connected;             /* though the code is not OK */
	unsigned faults;               /* of the certificate */
	bool is_right_without_sni;
	smx_time not_after; /* 0: far away */
	const char *name;   /* NULL: the host */
	const char *alias;
	enum scene_tlsa tlsa;
};

struct scene {
	const char *record; /* NULL: a good one; "": none */
	const char *record_2;
	const char *record_alias;
	enum smx_dns_status record_status;
	const char *at_domain; /* a TXT record beside SPF */
	const char *at_host;
	enum smx_dns_status host_status; /* of mta-sts. */
	const char *host_alias;
	enum smx_diag_code https;
	const char *body;   /* NULL: enforce, with the two hosts */
	const char *body_2; /* of a second address of the policy host */
	unsigned host_faults;
	smx_time host_not_after;
	const char *tlsrpt; /* NULL: a good one; "": none */
	enum smx_diag_code rua_https;
	enum smx_dns_status rua_status;
	const char *dmarc; /* NULL: a good one */
	enum smx_dns_status mx_status;
	enum smx_dns_status domain_status; /* OK: no address, NODATA */
	bool domain_has_address;
	bool is_null_mx;
	bool mx_insecure;
	bool is_absent; /* the domain does not exist */
	struct scene_mx mx[SCENE_MX_MAX];
	struct smx_check_settings settings;
	const struct smx_check_earlier *earlier;
	/* As many of everything as can be. */
	bool is_big;
};

enum scene_order {
	SCENE_INSIDE, /* from inside the starting call */
	SCENE_LATER,  /* in the order of the asks */
	SCENE_BACKWARDS,
	SCENE_SHUFFLED,
	SCENE_MIXED, /* some inside, the others shuffled */
};

/** How the ports play it. */
struct scene_play {
	enum scene_order order;
	uint64_t seed;    /* of the shuffled ones */
	bool rotate;      /* the records of an answer come in another order */
	unsigned fail_at; /* 0: no ask fails; else that one, from 1 */
	bool fail_for_ever;
	bool recover; /* end failing_alloc when something is asked */
};

/** What came of it. */
struct scene_result {
	struct smx_check *check; /* NULL: it did not start */
	int rc;
	unsigned done_count;
	unsigned asks;
	unsigned sessions;
};

/** Play a scene to its end. The check is freed by scene_end(). */
void scene_play(const struct scene *s, const struct scene_play *play,
    struct scene_result *ret);
void scene_end(struct scene_result *r);

/** @return whether there is a finding with this code. */
bool scene_found(const struct smx_check *c, enum smx_diag_code code);

/** The finding with this code; the test fails without it. */
const struct smx_check_finding *scene_find(const struct smx_check *c,
    enum smx_diag_code code);

#define SCENE_RECORD "v=STSv1; id=20260101T000000;"
#define SCENE_BODY                                                            \
	"version: STSv1\nmode: enforce\nmx: mx1.example.com\nmx: mx2.example" \
	".com\nmax_age: 1209600\n"
#define SCENE_MODE(mode)                                                  \
	"version: STSv1\nmode: " mode "\nmx: mx1.example.com\nmx: mx2.ex" \
	"ample.com\nmax_age: 1209600\n"

#endif
