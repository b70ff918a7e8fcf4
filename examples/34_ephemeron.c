/* 34_ephemeron.c: a rate limit for connections whose type is somebody else's and has no room for it. What is attached
 * to a connection goes when the connection dies: nobody has to remember to take it out. */
#include <lido/lido.h>
#include <stdio.h>
#include <stdlib.h>

struct conn { /* of a library that knows nothing of limits */
  int descriptor;
};

struct allowance {
  unsigned left;
};

static unsigned ended;

static void end_allowance(void *value, void *context) {
  (void)context;
  free(value);
  ended++;
}

/* The first question attaches what the later ones find. */
static bool may_send(lido_ephemerons *allowances, const struct conn *conn) {
  struct allowance *allowance = lido_ephemerons_get(allowances, conn);
  if (allowance == NULL) {
    allowance = malloc(sizeof *allowance);
    if (allowance == NULL) return false;
    allowance->left = 2;
    if (lido_ephemerons_set(allowances, conn, allowance) != 0) {
      free(allowance); /* it was not taken */
      return false;
    }
  }
  if (allowance->left == 0) return false;
  allowance->left--;
  return true;
}

static unsigned send_three(lido_ephemerons *allowances, const struct conn *conn) {
  unsigned sent = 0;
  for (int i = 0; i < 3; i++) sent += may_send(allowances, conn);
  printf("%u of 3 may go out\n", sent);
  return sent;
}

int main(void) {
  lido_pool *conns = lido_pool_create(
      &(lido_pool_options){.name = "conn", .object_size = sizeof(struct conn), .flags = LIDO_POOL_HANDLES});
  lido_ephemerons *allowances =
      lido_ephemerons_create(&(lido_ephemerons_options){.name = "allowances", .end = end_allowance});
  struct conn *first = conns != NULL ? lido_pool_alloc(conns) : NULL;
  if (allowances == NULL || first == NULL) return 1;

  bool right = send_three(allowances, first) == 2;
  lido_release(first); /* end_allowance has been called when this returns */
  right &= ended == 1;

  struct conn *second = lido_pool_alloc(conns); /* perhaps in the memory of the first, but not with its allowance */
  if (second == NULL) return 1;
  right &= send_three(allowances, second) == 2;

  struct allowance *taken = lido_ephemerons_detach(allowances, second); /* ours again, and not ended */
  right &= taken != NULL && taken->left == 0 && ended == 1;
  free(taken);
  right &= send_three(allowances, second) == 2;

  right &= lido_ephemerons_destroy(allowances) == 1 && ended == 2; /* what is still attached; the connection lives on */
  return lido_pool_destroy(conns) == 1 && right ? 0 : 1;
}
