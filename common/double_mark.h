/* double_mark.h - the words that stand in our test double of `ca`, so that the program is known as one wherever a copy of it, of this
 * build or another, is named as if it were Case (supervisor/double.h). */
#ifndef CTO_COMMON_DOUBLE_MARK_H
#define CTO_COMMON_DOUBLE_MARK_H

#define DOUBLE_MARK "CTO-HARNESS-TEST-DOUBLE-OF: ca"

#endif
