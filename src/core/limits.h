/**
 * The ceiling of everything that comes from outside.
 *
 * Layer:   core.
 */
#ifndef SMX_CORE_LIMITS_H
#define SMX_CORE_LIMITS_H

/** A host name in text form without the final dot (RFC 1035, 2.3.4). */
#define SMX_DOMAIN_MAX 253
#define SMX_LABEL_MAX  63
/** A Policy Domain: "_mta-sts." has to fit in front of it. */
#define SMX_STS_DOMAIN_MAX (SMX_DOMAIN_MAX - 9)

/** A policy body: RFC 8461, 3.3 suggests 64 kilobytes. */
#define SMX_STS_BODY_MAX 65536
/** What the parser may take for one body: an entry for each shortest line. */
#define SMX_STS_ARENA_MAX ((size_t)4 << 20)
/** RFC 8461, 3.2: the maximum of max_age, about a year. */
#define SMX_STS_MAX_AGE_MAX_S 31557600
/** RFC 8461, 3.1: the id, and the name of an extension field. */
#define SMX_STS_ID_MAX       32
#define SMX_STS_EXT_NAME_MAX 32
/** One TXT record, its character-strings joined. */
#define SMX_TXT_MAX 4096
/** TXT records looked at in one answer. */
#define SMX_TXT_COUNT_MAX 64

/** TLS reporting (RFC 8460, 3): URIs of a record that are used; octets of one;
 * what the parser may take for one record. */
#define SMX_TLSRPT_RUA_MAX   16
#define SMX_TLSRPT_URI_MAX   2048
#define SMX_TLSRPT_ARENA_MAX 65536

/** A datagram of libtlsrpt: the kernel lets about so much through. */
#define SMX_TLSRPT_DATAGRAM_MAX 262144
/** What its parser may take beside, and in it: policies, failures of one, lines
 * of a policy-string or mx-host, octets of any text, of a TXT record. */
#define SMX_TLSRPT_EVENT_ARENA_MAX    ((size_t)4 << 20)
#define SMX_TLSRPT_EVENT_POLICIES_MAX 32
#define SMX_TLSRPT_EVENT_FAILURES_MAX 100
#define SMX_TLSRPT_EVENT_LINES_MAX    200
#define SMX_TLSRPT_EVENT_TEXT_MAX     512

/** A TLS report that is read: octets of it, as JSON; policies that are kept,
 * and in all of them failures, and lines of policy-string and mx-host; octets
 * of any text; what its parser may take: the texts once more, and the rest. */
#define SMX_TLSRPT_READ_BYTES_MAX    SMX_GZ_INFLATED_MAX
#define SMX_TLSRPT_READ_POLICIES_MAX 10000
#define SMX_TLSRPT_READ_FAILURES_MAX 100000
#define SMX_TLSRPT_READ_LINES_MAX    100000
#define SMX_TLSRPT_READ_TEXT_MAX     65536
#define SMX_TLSRPT_READ_ARENA_MAX \
	(SMX_TLSRPT_READ_BYTES_MAX + ((size_t)64 << 20))

/** gzip: octets of the compressed, of the inflated, and how many times the
 * compressed that may be. */
#define SMX_GZ_BYTES_MAX    ((size_t)10 << 20)
#define SMX_GZ_INFLATED_MAX ((size_t)100 << 20)
#define SMX_GZ_RATIO_MAX    200

/** JSON: levels of objects and arrays. */
#define SMX_JSON_DEPTH_MAX 32

/** Findings kept for one input; more are only counted. */
#define SMX_DIAG_COUNT_MAX 100

/** Socketmap: what Postfix sends and takes at the most. */
#define SMX_SOCKETMAP_REQUEST_MAX 10000
#define SMX_SOCKETMAP_REPLY_MAX   100000

/** A reply of an SMTP server: octets of one line (RFC 5321, 4.5.3.1.5 has 512),
 * lines, octets of all of them. */
#define SMX_SMTP_LINE_MAX        2048
#define SMX_SMTP_REPLY_LINES_MAX 100
#define SMX_SMTP_REPLY_MAX       65536

/** Response headers of a policy host, all together. */
#define SMX_HTTP_HEADERS_MAX 32768

#endif
