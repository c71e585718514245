/* known_values.h - the values that this harness was given as an endpoint or a credential of a backend, from its variables: what no
 * output may hold (redact.h).
 *
 *   <PREFIX>LOCAL_BASE_URL   as it is, without slashes at its end, and its host and port alone; with the host in lower case, too
 *   <PREFIX>LOCAL_API_KEY
 */
#ifndef CTO_SUPERVISOR_KNOWN_VALUES_H
#define CTO_SUPERVISOR_KNOWN_VALUES_H

#include "supervisor/engines.h"
#include "supervisor/redact.h"

/* *ret is the caller's, NULL when there is none. ERR_USAGE: one is set that nothing can be searched for; the sentence names its variable,
 * says what to do, and holds no byte of it. */
int known_values(const struct engine *en, struct redactor **ret, struct err *e);
/* The same of an endpoint and a key (NULL: none) that came from elsewhere, as LOCAL_BASE_URL and LOCAL_API_KEY. */
int known_values_of(const char *base_url, const char *api_key, struct redactor **ret, struct err *e);

#endif
