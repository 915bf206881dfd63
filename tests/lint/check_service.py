# SPDX-License-Identifier: Apache-2.0
"""The systemd unit: systemd understands it, thinks it confined, and nothing in it hides the mount.

    check_service.py UNIT PROGRAM      UNIT as installed; PROGRAM is what its ExecStart is checked with
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# What gives a service a mount namespace of its own, in any systemd: a mount made in it is seen by nobody else.
NAMESPACE = set("""
    BindPaths BindReadOnlyPaths DynamicUser ExecPaths ExtensionDirectories ExtensionImages ImportCredential InaccessiblePaths
    JoinsNamespaceOf LoadCredential LoadCredentialEncrypted LogNamespace MountAPIVFS MountFlags MountImages NetworkNamespacePath
    NoExecPaths PrivateBPF PrivateDevices PrivateIPC PrivateMounts PrivateNetwork PrivatePIDs PrivateTmp PrivateUsers ProcSubset
    ProtectControlGroups ProtectHome ProtectHostname ProtectKernelLogs ProtectKernelModules ProtectKernelTunables ProtectProc
    ProtectSystem ReadOnlyDirectories ReadOnlyPaths ReadWriteDirectories ReadWritePaths InaccessibleDirectories RootDirectory
    RootEphemeral RootHash RootImage RootVerity SetCredential SetCredentialEncrypted TemporaryFileSystem
""".split())
# `systemd-analyze security` counts from 0 to 10; a service that may mount and must see every cache cannot come near 0.
MOST_EXPOSED = 6.5


def hiding(text):
    """The directives of a unit that would hide the mount."""
    return sorted(set(re.findall(r"^\s*([A-Za-z]+)\s*=", text, re.MULTILINE)) & NAMESPACE)


def analyze(*args):
    return subprocess.run(["systemd-analyze", *args], capture_output=True, text=True, timeout=50)


def main(unit, program):
    problems = []
    text = Path(unit).read_text()
    if "ProtectSystem" not in hiding("[Service]\nProtectSystem=strict\n"):
        problems.append("the check finds nothing")
    problems += [f"{name} gives the service a mount namespace of its own: its mount would be seen by nobody else" for name in hiding(text)]
    if shutil.which("systemd-analyze") is None:
        problems.append("systemd-analyze is missing (package systemd): the unit cannot be checked")
    else:
        with tempfile.TemporaryDirectory(prefix="hubfs-service-") as folder:
            copy = Path(folder) / "hubfs@srv-models.service"
            copy.write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={program}", text))
            verified = analyze("--man=no", "verify", str(copy))
            if verified.returncode != 0 or copy.name in verified.stderr:
                problems.append(f"systemd-analyze verify: {verified.stderr.strip()}")
            secure = analyze("security", "--offline=true", f"--threshold={int(MOST_EXPOSED * 10)}", "--json=short", str(copy))
            if secure.returncode != 0:
                worst = [row for row in json.loads(secure.stdout or "[]") if row.get("exposure")] if secure.stdout.startswith("[") else []
                problems.append(f"systemd-analyze security: more exposed than {MOST_EXPOSED}: {secure.stderr.strip()} "
                                f"{[row['name'] for row in worst]}")
    for problem in problems:
        print(f"{unit}: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
