/* commands.h - the table of commands, for --help. */
#ifndef CTO_SUPERVISOR_COMMANDS_H
#define CTO_SUPERVISOR_COMMANDS_H

#include "supervisor/cli.h"

const struct command *command_at(int i); /* NULL past the end */

#endif
