/* notes.h - what the launcher says of the directories that it is given, before it starts anything: one line each, on standard error. */
#ifndef CTO_SANDBOX_NOTES_H
#define CTO_SANDBOX_NOTES_H

#include "sandbox/jail.h"

/* Never refuses. */
void launcher_notes(const struct jail_spec *spec);

#endif
