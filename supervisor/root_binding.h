/* root_binding.h - what an approval says of the directories of the host that a run may read (read_roots of the case and of the engine
 * file): the script that is the real agent often lies in one of them, and may not be another one when the run starts.
 *
 * Each is bound by its content: names, modes, links and bytes of all that lies in it. That costs reading it, at the request, at the
 * grant and at the start of the run, so it is bounded: all of them together ROOT_BINDING_ENTRIES names, ROOT_BINDING_BYTES and
 * ROOT_BINDING_US. What needs more cannot be bound, and so cannot be approved: name a smaller directory.
 *
 * What the system's packages put below /usr is shown in every jail, and no approval binds it. A read root there (but not below
 * /usr/local, where people put theirs) that is root's and that nobody else may write is bound by what it is: device, inode, group,
 * mode. A link in a read root is bound as a link: what it leads to is seen in a jail only when another read root or the system has it.
 *
 * What cannot be read cannot be bound either. Only runs that need an approval pay for any of this. What is compared is what lies there
 * when the run's gates are asked; the jails show the same directories a moment later.
 */
#ifndef CTO_SUPERVISOR_ROOT_BINDING_H
#define CTO_SUPERVISOR_ROOT_BINDING_H

#include "common/json.h"
#include "supervisor/case.h"

#define ROOT_BINDING_ENTRIES 50000
#define ROOT_BINDING_BYTES (512ll << 20)
#define ROOT_BINDING_US (10u * 1000000u)

/* {path: "content <sha256>" or "system <what it is>"}; the caller owns it. NULL: one cannot be bound; the error says which by its
 * place in its list, and names no path of the host. `roots`: what the engine file shows; the first n_named are its read_roots, the
 * others a package and an interpreter that settings name. */
cJSON *root_binding(const struct case_list *of_case, const char *const *roots, int n, int n_named, struct err *e);

#endif
