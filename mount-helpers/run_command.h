// SPDX-License-Identifier: Apache-2.0
//
// The command line: `hubfs mount|umount|status|ls|rm`, and the form in which mount(8) calls a helper (`mount.hubfs CACHE
// MOUNTPOINT -o …`). Exit codes: 0 done, 1 refused or failed (one sentence on stderr says what and what to do), 2 wrong usage.
#pragma once

namespace hubfs {

int run_command(int argc, char** argv);

}  // namespace hubfs
