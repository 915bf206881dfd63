// SPDX-License-Identifier: Apache-2.0
//
// This process as one who removes. Thread-safe (no state).
#pragma once

#include "core/cache/removal.h"

namespace hubfs {

/// Its effective user and all its groups.
Caller this_process();

}  // namespace hubfs
