/* lido/inline/observers_inline.h: the bodies of the typed twins of lido/observers.h. Private.
 *
 * A typed call is made by a function of the right type that the macro defines: a call through a pointer of another type
 * would be undefined.
 */
#ifndef LIDO_INLINE_OBSERVERS_INLINE_H
#define LIDO_INLINE_OBSERVERS_INLINE_H

#include "lido/observers.h"

#define LIDO_SUBJECT_DEFINE_BODY(prefix, event_type)                                                            \
  typedef event_type prefix##_event;                                                                            \
  typedef struct prefix {                                                                                       \
    lido_subject *subject;                                                                                      \
  } prefix;                                                                                                     \
  LIDO_FAST prefix prefix##_typed(lido_subject *plain) {                                                        \
    prefix typed = {plain};                                                                                     \
    return typed;                                                                                               \
  }                                                                                                             \
  LIDO_FAST lido_subject *prefix##_untyped(prefix typed) { return typed.subject; }                              \
  LIDO_FAST prefix prefix##_create(const lido_subject_options *options) {                                       \
    return prefix##_typed(lido_subject_create(options));                                                        \
  }                                                                                                             \
  LIDO_FAST bool prefix##_exists(prefix typed) { return typed.subject != NULL; }                                \
  LIDO_FAST void prefix##_destroy(prefix typed) { lido_subject_destroy(typed.subject); }                        \
  LIDO_FAST size_t prefix##_next(prefix typed, const event_type *event) {                                       \
    return lido_subject_next(typed.subject, event);                                                             \
  }                                                                                                             \
  LIDO_FAST size_t prefix##_error(prefix typed, int error) { return lido_subject_error(typed.subject, error); } \
  LIDO_FAST size_t prefix##_complete(prefix typed) { return lido_subject_complete(typed.subject); }

#define LIDO_OBSERVER_DEFINE_BODY(subject_prefix, prefix, type)                                                   \
  __attribute__((unused)) static void prefix##_call_next(void *observer, const void *event, void *context) {      \
    prefix##_next((type *)observer, (const subject_prefix##_event *)event, context);                              \
  }                                                                                                               \
  __attribute__((unused)) static void prefix##_call_error(void *observer, int error, void *context) {             \
    prefix##_error((type *)observer, error, context);                                                             \
  }                                                                                                               \
  __attribute__((unused)) static void prefix##_call_complete(void *observer, void *context) {                     \
    prefix##_complete((type *)observer, context);                                                                 \
  }                                                                                                               \
  __attribute__((unused)) static lido_subscription prefix##_subscribe(subject_prefix typed, const type *observer, \
                                                                      void *context) {                            \
    static const lido_observer_calls calls = {prefix##_call_next, prefix##_call_error, prefix##_call_complete};   \
    return lido_subscribe(typed.subject, observer, &calls, context);                                              \
  }

#endif
