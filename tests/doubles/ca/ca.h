/* ca.h - between the two files of the test double of ca: what it was asked. */
#ifndef CTO_TESTS_DOUBLES_CA_H
#define CTO_TESTS_DOUBLES_CA_H

#include "common/err.h"

struct asked {
    char id[128];       /* of the task */
    char mode[64];      /* of the script */
    int code;           /* of mode exit */
    char allowed[1024]; /* the first allowed path that is a file */
};

/* Reads everything that ca is given and holds it against what was agreed; prints what it saw on stdout, for tests to look at. Ends in
 * the repository. */
int ask(struct asked *ret, char **argv, struct err *e);

#endif
