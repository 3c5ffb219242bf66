/**
 * What is wrong with a configuration that was read: told setting by setting.
 *
 * Layer:   app.
 */
#ifndef SMX_APP_CONFIG_FAULT_H
#define SMX_APP_CONFIG_FAULT_H

#include "app/config.h"

enum smx_config_fault_kind {
	SMX_CONFIG_FAULT_ERROR,   /* no role starts with it */
	SMX_CONFIG_FAULT_WARNING, /* it is hardly what was meant */
	/* A file that may not be read here: whether strictmxd may, only its
	 * own user can tell. To strictmxd itself this is an error. */
	SMX_CONFIG_FAULT_UNKNOWN,
};

/** Who is told, and how often it was. */
struct smx_config_faults {
	const struct smx_config *config;
	/** @param text  with file, line and setting; not escaped. */
	void (*tell)(void *arg, enum smx_config_fault_kind kind,
	    const char *text);
	void *arg;
	size_t counts[SMX_CONFIG_FAULT_UNKNOWN + 1];
};

/** Tell: "FILE:LINE: SECTION { NAME = VALUE }: " and @p format, which says what
 * is wrong and how to mend it. Of a list, only the name. */
void smx_config_fault(struct smx_config_faults *f,
    enum smx_config_fault_kind kind, enum smx_setting i, const char *format,
    ...) __attribute__((format(printf, 4, 5)));

/** Tell of a setting that is missing from its section: "FILE:LINE: SECTION { }:
 * NAME is missing: " and @p remedy, as an error. */
void smx_config_fault_missing(struct smx_config_faults *f, enum smx_setting i,
    const char *remedy);

#endif
