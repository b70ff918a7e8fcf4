/* lido/version.h: which Lido this is. The build reads the three numbers from here. */
#ifndef LIDO_VERSION_H
#define LIDO_VERSION_H

#include "lido/base.h"

#define LIDO_VERSION_MAJOR 0
#define LIDO_VERSION_MINOR 1
#define LIDO_VERSION_PATCH 0

LIDO_BEGIN
/* The version of the linked library, "0.1.0". Static storage; never NULL; any thread. */
LIDO_API const char *lido_version(void);
LIDO_END

#endif
