#include "core/ip.h"
#include "base/scan.h"

/* A number of up to @p digits digits; more, and those that are no digits, are
 * left. @return how many there are. */
static size_t
read_number(struct smx_slice s, unsigned base, size_t digits, unsigned *ret)
{
	size_t n = 0;

	for (*ret = 0; n < s.n && n < digits; n++) {
		char c = smx_scan_lower(s.p[n]);
		unsigned digit;

		if (smx_scan_is_digit(c))
			digit = (unsigned)(c - '0');
		else if (base == 16 && c >= 'a' && c <= 'f')
			digit = (unsigned)(c - 'a') + 10;
		else
			break;
		*ret = *ret * base + digit;
	}
	return n;
}

static bool
parse_v4(struct smx_slice text, uint8_t to[4])
{
	for (size_t i = 0; i < 4; i++) {
		unsigned value;
		size_t n = read_number(text, 10, 3, &value);

		if (n == 0 || value > 255 || (n > 1 && text.p[0] == '0'))
			return false;
		to[i] = (uint8_t)value;
		if (i == 3)
			return n == text.n;
		if (n == text.n || text.p[n] != '.')
			return false;
		text = smx_slice_from(text, n + 1);
	}
	return false;
}

/* Groups with colons between them; the last two may be an IPv4 address.
 * @return how many bytes they are, or -1. */
static int
parse_groups(struct smx_slice text, uint8_t to[16])
{
	int bytes = 0;

	if (text.n == 0)
		return 0;
	for (;;) {
		unsigned value;
		size_t n = read_number(text, 16, 4, &value);

		if (n < text.n && text.p[n] == '.')
			return bytes <= 12 && parse_v4(text, to + bytes)
			    ? bytes + 4
			    : -1;
		if (n == 0 || bytes == 16)
			return -1;
		to[bytes++] = (uint8_t)(value >> 8);
		to[bytes++] = (uint8_t)value;
		if (n == text.n)
			return bytes;
		if (text.p[n] != ':')
			return -1;
		text = smx_slice_from(text, n + 1);
	}
}

/* @return where the first "::" is, or text.n. */
static size_t
find_gap(struct smx_slice text)
{
	for (size_t i = 0; i + 1 < text.n; i++)
		if (text.p[i] == ':' && text.p[i + 1] == ':')
			return i;
	return text.n;
}

static bool
parse_v6(struct smx_slice text, uint8_t to[16])
{
	size_t gap = find_gap(text);
	uint8_t tail[16];
	int head_bytes, tail_bytes;

	/* An IPv4 address stands at the end only, so not before a gap. */
	if (gap < text.n && smx_slice_find(smx_slice(text.p, gap), '.') < gap)
		return false;
	head_bytes = parse_groups(smx_slice(text.p, gap), to);
	if (gap == text.n)
		return head_bytes == 16;
	tail_bytes = parse_groups(smx_slice_from(text, gap + 2), tail);
	/* "::" stands for one group at least. */
	if (head_bytes < 0 || tail_bytes < 0 || head_bytes + tail_bytes > 14)
		return false;
	memset(to + head_bytes, 0, (size_t)(16 - head_bytes - tail_bytes));
	memcpy(to + 16 - tail_bytes, tail, (size_t)tail_bytes);
	return true;
}

int
smx_ip_parse(struct smx_slice text, struct smx_ip *ret)
{
	struct smx_ip ip = { .is_v6 = smx_slice_find(text, ':') < text.n };

	if (ip.is_v6 ? !parse_v6(text, ip.bytes) : !parse_v4(text, ip.bytes))
		return -SMX_EPARSE;
	*ret = ip;
	return 0;
}

bool
smx_ip_equal(const struct smx_ip *a, const struct smx_ip *b)
{
	return a->is_v6 == b->is_v6 &&
	    memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static unsigned
group(const struct smx_ip *ip, size_t i)
{
	return (unsigned)ip->bytes[2 * i] << 8 | ip->bytes[2 * i + 1];
}

/* The first longest run of at least two groups that are 0 (RFC 5952, 4.2).
 * @return its length, or 0. */
static size_t
find_zeros(const struct smx_ip *ip, size_t *ret_start)
{
	size_t best = 1;

	for (size_t i = 0; i < 8;) {
		size_t n = 0;

		while (i + n < 8 && group(ip, i + n) == 0)
			n++;
		if (n > best) {
			best = n;
			*ret_start = i;
		}
		i += n + 1;
	}
	return best > 1 ? best : 0;
}

void
smx_ip_print(const struct smx_ip *ip, struct smx_buf *out)
{
	size_t start = 8, n;

	if (!ip->is_v6) {
		smx_buf_printf(out, "%u.%u.%u.%u", ip->bytes[0], ip->bytes[1],
		    ip->bytes[2], ip->bytes[3]);
		return;
	}
	n = find_zeros(ip, &start);
	for (size_t i = 0; i < 8;) {
		if (i == start) {
			smx_buf_add_text(out, "::");
			i += n;
			continue;
		}
		if (i > 0 && i != start + n)
			smx_buf_add_char(out, ':');
		smx_buf_printf(out, "%x", group(ip, i));
		i++;
	}
}
