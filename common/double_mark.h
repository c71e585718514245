/* double_mark.h - the words that stand in our test doubles, so that such a program is known as one wherever a copy of it, of this
 * build or another, is named as if it were what it stands in for (supervisor/double.h). */
#ifndef CTO_COMMON_DOUBLE_MARK_H
#define CTO_COMMON_DOUBLE_MARK_H

#define DOUBLE_MARK_ANY "CTO-HARNESS-TEST-DOUBLE-OF: "
#define DOUBLE_MARK DOUBLE_MARK_ANY "ca"
#define DOUBLE_MARK_MODEL DOUBLE_MARK_ANY "a model's server"

#endif
