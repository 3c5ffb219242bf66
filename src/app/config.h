/**
 * The configuration: /etc/strictmx/strictmx.conf.
 *
 * Layer:   app (libconfuse). The settings are the rows of app/config.def.
 */
#ifndef SMX_APP_CONFIG_H
#define SMX_APP_CONFIG_H

#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/status.h"
#include "base/when.h"

#define SMX_CONFIG_FILE "/etc/strictmx/strictmx.conf"

enum smx_setting {
#define SMX_SETTING(section, name, type, value, low, high, text) \
	SMX_SETTING_##section##_##name,
#include "app/config.def"
#undef SMX_SETTING
	SMX_SETTING_COUNT
};

enum smx_config_section {
	SMX_CONFIG_SECTION_RESOLVE,
	SMX_CONFIG_SECTION_COLLECT,
	SMX_CONFIG_SECTION_REPORT,
	SMX_CONFIG_SECTION_COUNT
};

/** Each setting is section_name; lists end with NULL. */
struct smx_config {
#define SMX_CONFIG_TEXT   char *
#define SMX_CONFIG_LIST   char **
#define SMX_CONFIG_SWITCH bool
#define SMX_CONFIG_SPAN   smx_time
#define SMX_CONFIG_COUNT  long
#define SMX_SETTING(section, name, type, value, low, high, text) \
	SMX_CONFIG_##type section##_##name;
#include "app/config.def"
#undef SMX_SETTING
	char *path; /* that was read */
	/* Does it stand in the file, even if empty, and where does it end? */
	bool has_section[SMX_CONFIG_SECTION_COUNT];
	int section_end[SMX_CONFIG_SECTION_COUNT];
	/* Where it was set; NULL: it has its default. */
	struct {
		char *file;
		int line;
	} origin[SMX_SETTING_COUNT];
};

enum smx_setting_type {
	SMX_SETTING_IS_TEXT,
	SMX_SETTING_IS_LIST,
	SMX_SETTING_IS_SWITCH,
	SMX_SETTING_IS_SPAN,
	SMX_SETTING_IS_COUNT,
};

/** A row of app/config.def. */
struct smx_setting_row {
	const char *section;
	const char *name;
	enum smx_setting_type type;
	size_t offset; /* in struct smx_config */
	const char *value;
	const char *low, *high;
	const char *text;
};

const struct smx_setting_row *smx_config_row(enum smx_setting setting);

/**
 * Read a file.
 *
 * @param path    NULL: SMX_CONFIG_FILE, and only the defaults when that does
 *                not exist.
 * @param ret     free with smx_config_free().
 * @param reason  on failure: file, line, what is wrong and how to mend it.
 *
 * @retval 0
 * @retval -SMX_EPARSE  the file is faulty.
 * @retval -SMX_EIO     it can't be read.
 * @retval -SMX_ENOMEM
 */
int smx_config_load(const char *path, struct smx_config **ret,
    struct smx_buf *reason) SMX_CHECKED;

void smx_config_free(struct smx_config **c);

const char *smx_config_section_name(enum smx_config_section section);

/** Which roles it starts: those that have a section; resolve when none has. */
void smx_config_roles(const struct smx_config *c,
    bool ret[SMX_CONFIG_SECTION_COUNT]);

/** The path in store = "sqlite:PATH". */
const char *smx_config_store_path(const struct smx_config *c);
/** The path in reports = "sqlite:PATH". */
const char *smx_config_reports_path(const struct smx_config *c);

#endif
