/* members.c: what a manager has, by kind and name. See manager_core.h. */
#include <errno.h>
#include <string.h>

#include "lib/base/assertion.h"
#include "lib/control/alert_rule.h"
#include "lib/control/manager_core.h"
#include "lib/mem/metadata.h"

enum { FIRST_ROOM = 8 };

/* A call that walks lies on its thread's stack, and is there until whatever it called is over, also when the thread
 * ends in there. Walks of one call come one after the other: so it holds one member at a time. */
typedef struct walking_call {
  lido_manager *manager;
  void (*body)(void *argument);
  void (*abandoned)(void *argument);
  void *argument;
  lido_member *held;
  struct walking_call *outer; /* whose walk has called the program, which has called this; of whatever manager */
} walking_call;

static __thread walking_call *innermost_call;

/* ---- Places ---- */

/* The first place whose name is not below `name`; beyond it if `beyond`. */
static size_t place_locked(const lido_member_list *list, const char *name, bool beyond) {
  size_t low = 0;
  size_t high = list->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = strcmp(list->items[middle]->name, name);
    if (order < 0 || (beyond && order == 0)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

lido_member *lido_members_find_locked(lido_manager *manager, lido_kind kind, const char *name) {
  const lido_member_list *list = &manager->members[kind];
  size_t place = place_locked(list, name, false);
  if (place == list->count || strcmp(list->items[place]->name, name) != 0) return NULL;
  return list->items[place];
}

void *lido_members_object(lido_manager *manager, lido_kind kind, const char *name) {
  lido_lock_take(&manager->lock);
  const lido_member *member = lido_members_find_locked(manager, kind, name);
  void *object = member != NULL ? member->object : NULL;
  lido_lock_give(&manager->lock);
  return object;
}

static size_t place_of_object_locked(const lido_member_list *list, const void *object) {
  size_t place = 0;
  while (place < list->count && list->items[place]->object != object) place++;
  return place;
}

bool lido_members_has_locked(const lido_manager *manager, lido_kind kind, const void *object) {
  const lido_member_list *list = &manager->members[kind];
  return place_of_object_locked(list, object) != list->count;
}

/* ---- Coming ---- */

static bool grow_locked(lido_member_list *list) {
  if (list->count < list->room) return true;
  size_t room = list->room != 0 ? 2 * list->room : FIRST_ROOM;
  lido_member **items = lido_metadata_alloc(lido_metadata_system(), room * sizeof *items);
  if (items == NULL) return false;
  if (list->count != 0) memcpy(items, list->items, list->count * sizeof *items);
  lido_metadata_free(lido_metadata_system(), list->items, list->room * sizeof *items);
  list->items = items;
  list->room = room;
  return true;
}

static void insert_locked(lido_member_list *list, lido_member *member) {
  size_t place = place_locked(list, member->name, false);
  memmove(list->items + place + 1, list->items + place, (list->count - place) * sizeof *list->items);
  list->items[place] = member;
  list->count++;
}

static lido_member *member_make(lido_kind kind, const char *name, void *object, bool watched) {
  size_t name_bytes = strlen(name) + 1;
  lido_member *member = lido_metadata_alloc(lido_metadata_system(), sizeof *member + name_bytes);
  if (member == NULL) return NULL;
  member->kind = kind;
  member->watched = watched;
  member->object = object;
  member->bytes = sizeof *member + name_bytes;
  memcpy(member->name, name, name_bytes);
  return member;
}

static void member_free(lido_member *member) { lido_metadata_free(lido_metadata_system(), member, member->bytes); }

static int add_locked(lido_manager *manager, lido_member *member, void **present) {
  const lido_member *other = lido_members_find_locked(manager, member->kind, member->name);
  if (other != NULL) {
    if (present != NULL) *present = other->object;
    return EEXIST;
  }
  if (!grow_locked(&manager->members[member->kind])) return ENOMEM;
  insert_locked(&manager->members[member->kind], member);
  if (member->kind == LIDO_KIND_POOL) lido_kind_come_pool_locked(manager, member->object);
  return 0;
}

int lido_members_add(lido_manager *manager, lido_kind kind, const char *name, void *object, bool watched,
                     void **present) {
  if (!lido_kind_is_name(name)) return EINVAL;
  lido_member *member = member_make(kind, name, object, watched);
  if (member == NULL) return ENOMEM;
  lido_lock_take(&manager->lock);
  int error = add_locked(manager, member, present);
  lido_lock_give(&manager->lock);
  if (error != 0) member_free(member);
  return error;
}

/* ---- Going ---- */

static lido_member *take_out_locked(lido_member_list *list, size_t place) {
  lido_member *member = list->items[place];
  list->count--;
  memmove(list->items + place, list->items + place + 1, (list->count - place) * sizeof *list->items);
  member->ending = true;
  return member;
}

static int remove_locked(lido_manager *manager, lido_kind kind, const void *object, bool watched) {
  lido_member_list *list = &manager->members[kind];
  size_t place = place_of_object_locked(list, object);
  if (place == list->count || list->items[place]->watched != watched) return ENOENT;
  bool may_not_wait = lido_members_is_walking() || lido_alerts_is_inside(); /* who holds it may be waiting for this */
  if (list->items[place]->holds != 0 && may_not_wait) return EBUSY;
  lido_member *member = take_out_locked(list, place);
  while (member->holds != 0) lido_os_condition_wait(&manager->let_go, &manager->lock, UINT64_MAX);
  member_free(member);
  return 0;
}

int lido_members_remove(lido_manager *manager, lido_kind kind, const void *object, bool watched) {
  lido_lock_take(&manager->lock);
  int error = remove_locked(manager, kind, object, watched);
  lido_lock_give(&manager->lock);
  return error;
}

void *lido_members_take_last(lido_manager *manager, lido_kind kind, bool *watched) {
  lido_lock_take(&manager->lock);
  lido_member_list *list = &manager->members[kind];
  void *object = NULL;
  if (list->count != 0) {
    lido_member *member = take_out_locked(list, list->count - 1);
    LIDO_ASSERT(member->holds == 0); /* nobody else uses a manager that ends */
    object = member->object;
    *watched = member->watched;
    member_free(member);
  }
  lido_lock_give(&manager->lock);
  return object;
}

void lido_members_end(lido_manager *manager) {
  for (unsigned kind = 0; kind < LIDO_KINDS; kind++) {
    lido_member_list *list = &manager->members[kind];
    lido_metadata_free(lido_metadata_system(), list->items, list->room * sizeof *list->items);
    *list = (lido_member_list){0};
  }
}

/* ---- Walks ---- */

static void let_go_locked(lido_manager *manager, lido_member *member) {
  member->holds--;
  if (member->holds == 0 && member->ending) lido_os_condition_wake_all(&manager->let_go);
}

/* Hold `next`, or nothing, instead of what the call holds. */
static void move_on_locked(walking_call *call, lido_member *next) {
  if (next != NULL) next->holds++;
  if (call->held != NULL) let_go_locked(call->manager, call->held);
  call->held = next;
}

lido_member *lido_members_next(lido_manager *manager, lido_kind kind, lido_member *last) {
  walking_call *call = innermost_call;
  LIDO_ASSERT(call != NULL && call->manager == manager && call->held == last);
  lido_lock_take(&manager->lock);
  const lido_member_list *list = &manager->members[kind];
  size_t place = last != NULL ? place_locked(list, last->name, true) : 0;
  lido_member *next = place < list->count ? list->items[place] : NULL;
  move_on_locked(call, next);
  lido_lock_give(&manager->lock);
  return next;
}

lido_member *lido_members_hold(lido_manager *manager, lido_kind kind, const char *name) {
  walking_call *call = innermost_call;
  LIDO_ASSERT(call != NULL && call->manager == manager && call->held == NULL);
  lido_lock_take(&manager->lock);
  lido_member *member = lido_members_find_locked(manager, kind, name);
  move_on_locked(call, member);
  lido_lock_give(&manager->lock);
  return member;
}

bool lido_members_is_walking(void) {
  const walking_call *call = innermost_call;
  while (call != NULL && call->held == NULL) call = call->outer;
  return call != NULL;
}

static void run_call(void *argument) {
  const walking_call *call = argument;
  call->body(call->argument);
}

static void end_call(walking_call *call) {
  innermost_call = call->outer;
  if (call->held == NULL) return;
  lido_lock_take(&call->manager->lock);
  move_on_locked(call, NULL);
  lido_lock_give(&call->manager->lock);
}

static void abandon_call(void *argument) {
  walking_call *call = argument;
  end_call(call);
  if (call->abandoned != NULL) call->abandoned(call->argument);
}

void lido_members_call(lido_manager *manager, void (*body)(void *argument), void (*abandoned)(void *argument),
                       void *argument) {
  walking_call call = {manager, body, abandoned, argument, NULL, innermost_call};
  innermost_call = &call;
  lido_os_call_to_its_end(run_call, abandon_call, &call);
  end_call(&call);
}

/* ---- Fork ---- */

/* The threads that waited are gone, and the condition would remember them. */
void lido_members_in_child(lido_manager *manager) {
  lido_os_condition_init(&manager->let_go);
  for (unsigned kind = 0; kind < LIDO_KINDS; kind++) {
    const lido_member_list *list = &manager->members[kind];
    for (size_t place = 0; place < list->count; place++) list->items[place]->holds = 0;
  }
  for (const walking_call *call = innermost_call; call != NULL; call = call->outer) {
    if (call->held != NULL) call->held->holds = 0; /* it may be ending, and in no list */
  }
}

void lido_members_hold_again_in_child(void) {
  for (const walking_call *call = innermost_call; call != NULL; call = call->outer) {
    if (call->held != NULL) call->held->holds++;
  }
}

/* ---- Check ---- */

static const char *check_list(const lido_member_list *list, unsigned kind) {
  for (size_t place = 0; place < list->count; place++) {
    const lido_member *member = list->items[place];
    if (place != 0 && strcmp(list->items[place - 1]->name, member->name) >= 0) return "X1: names are not in order";
    if (member->kind != (lido_kind)kind) return "X1: a member among those of another kind";
    if (member->ending) return "X2: a member that is ending can be found";
    if (member->holds != 0) return "X2: a member is held, though nobody uses the manager";
    if (!member->watched && !lido_kind_is_charged(member)) return "X3: what the manager made is charged to nothing";
  }
  return NULL;
}

const char *lido_members_check(lido_manager *manager) {
  const char *broken = NULL;
  lido_lock_take(&manager->lock);
  for (unsigned kind = 0; kind < LIDO_KINDS && broken == NULL; kind++) {
    broken = check_list(&manager->members[kind], kind);
  }
  lido_lock_give(&manager->lock);
  return broken;
}
