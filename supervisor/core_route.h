/* core_route.h - words that the records about the core share (design: governance, "Records computed from evidence"). */
#ifndef CTO_SUPERVISOR_CORE_ROUTE_H
#define CTO_SUPERVISOR_CORE_ROUTE_H

#define CORE_NEXT_DECISION "open_governed_core_prd_route"
#define CORE_RECOMMENDATION "candidate_only_until_core_route_admission_guard_passes"
#define CORE_BLOCKED_REASON "active_or_conflicting_core_work_present"
#define CORE_NEXT_ACTION "wait_or_open_later_core_route_when_idle"
#define CORE_RESOLVER "JP or governed Core route"

#endif
