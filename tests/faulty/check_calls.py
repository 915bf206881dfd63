# SPDX-License-Identifier: Apache-2.0
"""Nothing that changes a disk escapes the fault points: every such call of the built libraries is wrapped, or has a reason here.

    check_calls.py WRAPPED LIBRARY…      WRAPPED is wrapped_calls.txt
"""

import re
import subprocess
import sys
from pathlib import Path

# All of libc and libstdc++ that can change a file system, or say how (the 64 at the end of some is left away).
CHANGES = set("""
    open openat creat mkdir mkdirat mknod mknodat mkfifo mkfifoat rename renameat renameat2 unlink unlinkat rmdir remove link linkat
    symlink symlinkat write writev pwrite pwritev pwritev2 fsync fdatasync sync syncfs sync_file_range truncate ftruncate fallocate
    posix_fallocate chmod fchmod fchmodat lchmod chown fchown fchownat lchown utime utimes futimes lutimes futimens utimensat futimesat
    flock lockf setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr copy_file_range sendfile splice tee vmsplice fopen
    fdopen freopen fwrite fputs fputc putc mkstemp mkostemp mkstemps mkdtemp tmpfile tempnam mktemp mount umount umount2 syscall ioctl
    swapon quotactl chroot pivot_root name_to_handle_at open_by_handle_at mmap msync
""".split())
# Of std::filesystem and streams, by what c++filt says.
CXX_CHANGES = re.compile(r"std::filesystem::(?:__cxx11::)?(\w+)\(|(?:VTT for |vtable for )?std::basic_(ofstream|fstream)\b")
CXX_LOOKS = {"status", "symlink_status", "canonical", "weakly_canonical", "absolute", "current_path", "exists", "is_directory", "path",
             "directory_iterator", "read_symlink", "file_size"}

REASONS = {
    "sync_file_range": "tells the kernel to begin writing; its failure is ignored, and it changes nothing",
    "umount2": "changes the table of mounts, not a disk",
    "memfd_create": "memory",
    "create_directories": "makes the cache root for a first mount; nothing else is there yet",
}


def undefined(library):
    names = subprocess.run(["nm", "-u", library], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1] for line in names.splitlines() if line.strip().startswith("U ")}


def plain(names):
    text = subprocess.run(["c++filt"], input="\n".join(sorted(names)), capture_output=True, text=True, check=True).stdout
    return text.splitlines()


def problems_of(symbols, wrapped):
    found = []
    for symbol in sorted(symbols):
        name = symbol.removesuffix("64")
        if name in CHANGES and symbol not in wrapped and name not in REASONS:
            found.append(f"{symbol}: changes a disk, and is no fault point: wrap it (wrapped_calls.txt, wrapped_calls.cc), or give a reason")
    for text in plain(symbol for symbol in symbols if symbol.startswith("_Z")):
        match = CXX_CHANGES.match(text)
        name = match and (match.group(1) or match.group(2))
        if name and name not in CXX_LOOKS and name not in REASONS:
            found.append(f"{text}: may change a disk behind the fault points")
    return found


def main(wrapped_file, *libraries):
    wrapped = set(Path(wrapped_file).read_text().split())
    source = Path(wrapped_file).with_name("wrapped_calls.cc").read_text()
    found = [f"{name}: in wrapped_calls.txt, but not in wrapped_calls.cc" for name in sorted(wrapped) if f"__wrap_{name}(" not in source]
    symbols = set().union(*(undefined(library) for library in libraries))
    if "renameat" not in symbols or not problems_of(symbols, wrapped - {"renameat"}):
        found.append("the check finds nothing")
    for problem in found + problems_of(symbols, wrapped):
        print(problem)
    return 1 if found or problems_of(symbols, wrapped) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
