/* claims_test.c: caches come and go on one pool that has fewer claims than caches. No two have one claim at a
 * time, a cache without any never has a hot object, and what state bytes still say of caches that are gone
 * does no harm.
 *
 * Models pools/thread_cache.c: lido_thread_cache_attach, claim_take_locked, claim_give_locked, owner_for,
 * write_face, lido_thread_cache_detach_locked (take_hot, send_away, reset_face), free_special of pools/free_slow.c
 * for caches without a claim; the hot slot as in hot_slot_test.c, but with one step for a look and its store:
 * no object is freed twice here. Each thread attaches its own face (a typed pool's thread-local), allocs,
 * frees, detaches, and does so again.
 */
#include "tests/interleavings/interleaving_explorer.h"

enum { THREADS = 3, CLAIMS = 2, OBJECTS = 2, NOTHING = 0xff, ROUNDS = 2 };
enum { STATE_LIVE = 1, STATE_FREE = 2, FIRST_CLAIM = 4 };

enum {
  NO_LOCK = 1,           /* attach and detach without the registry's lock */
  FACE_STAYS = 2,        /* detach leaves hot and hot_state as they are */
  HOT_WITHOUT_CLAIM = 4, /* a cache without a claim pushes like any other */
  CLAIM_STAYS = 8,       /* detach does not give the claim back */
};

enum {
  AT_LOCK,
  AT_FIND,
  AT_TAKE,
  AT_ALLOC,
  AT_FREE,
  AT_ALLOC_AGAIN,
  AT_FREE_AGAIN,
  AT_DETACH,
  AT_PUT,
  AT_GIVE,
  AT_OVER
};

typedef struct face {
  uint8_t claim; /* rest->claim: 0 = none */
  uint8_t face_claim;
  uint8_t hot;
  uint8_t hot_state;
  uint8_t item; /* in the magazine, or NOTHING */
} face;

typedef struct machine {
  uint8_t variant;
  uint8_t lock; /* thread + 1 */
  uint8_t free_claims;
  uint8_t store; /* bits: in depot and slabs */
  uint8_t states[OBJECTS];
  uint8_t at[THREADS];
  uint8_t found[THREADS];
  uint8_t round[THREADS];
  uint8_t holds[THREADS];
  face faces[THREADS];
  uint8_t attached[THREADS];
  bool twice;
} machine;

static bool is_lockable(const machine *m, size_t t) {
  return (m->variant & NO_LOCK) != 0 || m->lock == 0 || m->lock == t + 1;
}

/* ---- Attach and detach ---- */

static uint8_t find_claim(const machine *m) {
  for (uint8_t claim = 0; claim < CLAIMS; claim++) {
    if (m->free_claims >> claim & 1) return FIRST_CLAIM + claim;
  }
  return 0;
}

static void write_face(machine *m, size_t t) {
  face *f = &m->faces[t];
  f->claim = m->found[t];
  f->face_claim = f->claim != 0 ? f->claim : FIRST_CLAIM;
  if ((m->variant & FACE_STAYS) == 0) f->hot = f->hot_state = NOTHING;
  f->item = NOTHING;
  m->attached[t] = 1;
}

static void take_claim(machine *m, size_t t) {
  if (m->found[t] != 0) m->free_claims &= (uint8_t) ~(1 << (m->found[t] - FIRST_CLAIM));
  write_face(m, t);
}

static bool is_hot_mine(const machine *m, const face *f) {
  return f->hot_state != NOTHING && m->states[f->hot_state] == f->face_claim;
}

static void give_up_objects(machine *m, size_t t) {
  face *f = &m->faces[t];
  if (is_hot_mine(m, f)) m->store |= (uint8_t)(1 << f->hot);
  if (f->item != NOTHING) m->store |= (uint8_t)(1 << f->item);
  f->item = NOTHING;
  if ((m->variant & FACE_STAYS) == 0) f->hot = f->hot_state = NOTHING;
}

static void give_claim(machine *m, size_t t) {
  uint8_t claim = m->faces[t].claim;
  bool stays = (m->variant & CLAIM_STAYS) != 0;
  if (claim != 0 && !stays) m->free_claims |= (uint8_t)(1 << (claim - FIRST_CLAIM));
  m->attached[t] = 0;
  m->faces[t].claim = 0;
}

/* ---- Alloc and free ---- */

static void hand_out(machine *m, size_t t, uint8_t object) {
  for (size_t i = 0; i < THREADS; i++) m->twice |= (m->holds[i] >> object & 1) != 0;
  m->states[object] = STATE_LIVE;
  m->holds[t] |= (uint8_t)(1 << object);
}

/* -> false: there is no object now; that is a NULL. */
static bool alloc(machine *m, size_t t) {
  face *f = &m->faces[t];
  if (is_hot_mine(m, f)) {
    hand_out(m, t, f->hot);
    return true;
  }
  if (f->item == NOTHING) { /* refill */
    for (uint8_t object = 0; object < OBJECTS && f->item == NOTHING; object++) {
      if (m->store >> object & 1) f->item = object;
    }
    if (f->item == NOTHING) return false;
    m->store &= (uint8_t) ~(1 << f->item);
  }
  uint8_t object = f->item;
  f->item = NOTHING;
  hand_out(m, t, object);
  return true;
}

static void keep(machine *m, face *f, uint8_t object) {
  if (f->item != NOTHING) m->store |= (uint8_t)(1 << f->item);
  f->item = object;
}

static void free_one(machine *m, size_t t) {
  face *f = &m->faces[t];
  uint8_t object = m->holds[t] & 1 ? 0 : 1;
  if (m->holds[t] == 0) return;
  m->holds[t] &= (uint8_t) ~(1 << object);
  if (f->claim == 0 && (m->variant & HOT_WITHOUT_CLAIM) == 0) { /* free_special */
    m->states[object] = STATE_FREE;
    keep(m, f, object);
    return;
  }
  uint8_t old = f->hot;
  bool demote = is_hot_mine(m, f);
  m->states[object] = f->face_claim;
  f->hot = f->hot_state = object;
  if (demote) keep(m, f, old);
}

/* ---- The protocol ---- */

static explorer_step step(void *state, size_t t, unsigned choice) {
  machine *m = state;
  uint8_t at = m->at[t];
  if (choice != 0) return EXPLORER_BLOCKED;
  switch (at) {
    case AT_LOCK:
    case AT_DETACH:
      if (!is_lockable(m, t)) return EXPLORER_BLOCKED;
      m->lock = (uint8_t)(t + 1);
      break;
    case AT_FIND:
      m->found[t] = find_claim(m);
      break;
    case AT_TAKE:
      take_claim(m, t);
      m->lock = 0;
      break;
    case AT_ALLOC:
    case AT_ALLOC_AGAIN:
      alloc(m, t);
      break;
    case AT_FREE:
    case AT_FREE_AGAIN:
      free_one(m, t);
      break;
    case AT_PUT:
      give_up_objects(m, t);
      break;
    case AT_GIVE:
      give_claim(m, t);
      m->lock = 0;
      if (++m->round[t] < ROUNDS) {
        m->at[t] = AT_LOCK;
        return EXPLORER_STEPPED;
      }
      break;
    default:
      return EXPLORER_IDLE;
  }
  m->at[t]++;
  return EXPLORER_STEPPED;
}

static void start(void *state, int variant) {
  machine *m = state;
  m->variant = (uint8_t)variant;
  m->free_claims = (1 << CLAIMS) - 1;
  m->store = (1 << OBJECTS) - 1;
  for (size_t object = 0; object < OBJECTS; object++) m->states[object] = STATE_FREE;
  for (size_t t = 0; t < THREADS; t++) m->faces[t] = (face){.hot = NOTHING, .hot_state = NOTHING, .item = NOTHING};
}

static const char *check(const void *state) {
  const machine *m = state;
  if (m->twice) return "an object is handed out twice";
  for (size_t t = 0; t < THREADS; t++) {
    uint8_t claim = m->faces[t].claim;
    if (!m->attached[t]) continue;
    if (claim == 0 && m->faces[t].hot != NOTHING) return "a hot object without a claim";
    for (size_t other = 0; other < t; other++) {
      if (m->attached[other] && claim != 0 && m->faces[other].claim == claim) return "two caches with one claim";
    }
  }
  return NULL;
}

static const char *check_end(const void *state) {
  const machine *m = state;
  if (m->store != (1 << OBJECTS) - 1) return "an object is lost";
  return m->free_claims != (1 << CLAIMS) - 1 ? "a claim is lost" : NULL;
}

static const explorer_protocol claims = {
    .name = "claims",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = 1,
    .start = start,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(claims, are_one_caches_at_a_time) { CHECK_PROTOCOL_HOLDS(&claims, 0); }

TEST(claims, control_without_the_lock) { CHECK_PROTOCOL_BREAKS(&claims, NO_LOCK, "two caches with one claim"); }

TEST(claims, control_with_a_face_that_remembers) {
  CHECK_PROTOCOL_BREAKS(&claims, FACE_STAYS, "an object is handed out twice");
}

TEST(claims, control_with_hot_objects_of_caches_without_a_claim) {
  CHECK_PROTOCOL_BREAKS(&claims, HOT_WITHOUT_CLAIM, "a hot object without a claim");
}

TEST(claims, control_with_claims_that_do_not_come_back) {
  CHECK_PROTOCOL_BREAKS(&claims, CLAIM_STAYS, "a claim is lost");
}
