/* Which names may cross between domains. Both sides check: the peer is not trusted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Why a path cannot be exported, or NULL if it can: relative, printable, no "." or "..", short. */
const char *export_name_fault(const char *name, size_t length);
/* Replaces what is not printable ASCII: the text came from a peer and goes into logs and JSON. */
void text_clean(char *text);
/* Leads to whichever domain is the host of this one. */
#define DOMAIN_NAME_HOST "host"
/* A domain's name becomes a folder: letters, digits, '-', '_' and '.', and never "self" or "host".
 */
bool domain_name_valid(const char *name);
/* A domain's number. 0 to 2 and the largest have meanings of their own, as AF_VSOCK has it. */
#define DOMAIN_ID_MIN 3u
#define DOMAIN_ID_MAX 0xfffffffeu
