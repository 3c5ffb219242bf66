#include <idn2.h>

#include "io/idn.h"

/* A name that fits after conversion has no more octets than this before: an
 * A-label has at most 59 code points of four octets. */
#define NAME_BYTES_MAX 1024

int
smx_idn_parse(struct smx_slice name, struct smx_domain *ret)
{
	char storage[NAME_BYTES_MAX + 1];
	char *ascii = NULL;
	int rc = -SMX_EPARSE;

	if (name.n > NAME_BYTES_MAX || memchr(name.p, '\0', name.n) != NULL)
		return rc;
	memcpy(storage, name.p, name.n);
	storage[name.n] = '\0';
	if (idn2_to_ascii_8z(storage, &ascii,
		IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT) == IDN2_OK)
		rc = smx_domain_parse(smx_slice_text(ascii), ret);
	idn2_free(ascii);
	return rc;
}
