/* lido/lido.h: all of Lido. */
#ifndef LIDO_LIDO_H
#define LIDO_LIDO_H

#include "lido/alert.h"
#include "lido/arena.h"
#include "lido/backing.h"
#include "lido/base.h"
#include "lido/budget.h"
#include "lido/cache.h"
#include "lido/cleanup.h"
#include "lido/ephemeron.h"
#include "lido/guard.h"
#include "lido/heap_profile.h"
#include "lido/intern.h"
#include "lido/manager.h"
#include "lido/metrics.h"
#include "lido/misuse.h"
#include "lido/monitor.h"
#include "lido/object_pool.h"
#include "lido/observers.h"
#include "lido/policy.h"
#include "lido/pool.h"
#include "lido/snapshot.h"
#include "lido/socket.h"
#include "lido/version.h"
#include "lido/weak.h"

#endif
