// SPDX-License-Identifier: Apache-2.0
//
// The one place that turns an Error into the errno of a reply. The table is in docs/semantics.md.
#pragma once

#include "core/base/error.h"

namespace hubfs {

[[nodiscard]] int errno_of(const Error& error);

}  // namespace hubfs
