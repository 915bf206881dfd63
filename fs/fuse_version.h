// SPDX-License-Identifier: Apache-2.0
//
// The libfuse API level that all fs/fuse_* files compile against: 3.14 of Debian 12 gives 314; from 3.17 on there is
// passthrough, which is used where FUSE_CAP_PASSTHROUGH is defined.
#pragma once

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 314
#endif

#include <fuse_lowlevel.h>
