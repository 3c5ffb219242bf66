/**
 * What the engine asks of the store: that policies outlive the process.
 *
 * Layer:   engine (port).
 * Contract: nothing here waits or fails. The store copies what it is given,
 * writes it as soon as it can, and keeps what can't be written yet.
 */
#ifndef SMX_ENGINE_PORT_STORE_H
#define SMX_ENGINE_PORT_STORE_H

#include "base/slice.h"
#include "base/when.h"

struct smx_store_policy {
	struct smx_slice domain; /* canonical */
	struct smx_slice id;     /* of the TXT record; may be empty */
	struct smx_slice body;   /* as it was fetched */
	smx_time fetched;        /* wall clock */
	smx_time used;           /* wall clock: last asked about */
};

struct smx_store_ops {
	void (*put)(void *self, const struct smx_store_policy *policy);
	void (*touch)(void *self, struct smx_slice domain, smx_time used);
	void (*remove)(void *self, struct smx_slice domain);
};

struct smx_store_port {
	const struct smx_store_ops *ops;
	void *self;
};

#endif
