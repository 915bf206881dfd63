// SPDX-License-Identifier: Apache-2.0
#include "mount-helpers/run_command.h"

int main(int argc, char** argv) { return hubfs::run_command(argc, argv); }
