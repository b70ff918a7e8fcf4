/* A release by a handle that nobody was ever given. */
#include "misuse_program.h"

int main(void) {
  pool_with_handles("conn");
  expect("lido: release too many in pool 'no pool with handles': address (nil), no object");
  lido_weak_release(lido_weak_from_u64(UINT64_MAX));
  return 0;
}
