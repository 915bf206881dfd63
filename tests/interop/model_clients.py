# SPDX-License-Identifier: Apache-2.0
"""The clients of the model test: long-lived processes that take one command at a time, so that a start is paid for once."""

import json
import os
import select
import signal
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build"
PATIENCE = 60.0


class Client:
    """One worker process. `call` answers (value, None) or (None, words); a worker that says nothing in time is an error."""

    def __init__(self, argv, env):
        self.argv, self.env = [str(arg) for arg in argv], env
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.argv, env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        self.pending = b""

    def send(self, do, **command):
        self.process.stdin.write(json.dumps({"do": do, **command}).encode() + b"\n")
        self.process.stdin.flush()

    def receive(self):
        while b"\n" not in self.pending:
            ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
            chunk = os.read(self.process.stdout.fileno(), 1 << 20) if ready else b""
            if not chunk:
                raise AssertionError(f"{self.argv[-1]} {'died' if ready else f'said nothing for {PATIENCE:.0f} s'}")
            self.pending += chunk
        line, self.pending = self.pending.split(b"\n", 1)
        try:
            answer = json.loads(line)
        except ValueError as error:
            raise AssertionError(f"{self.argv[-1]} said {line[:200]!r}") from error
        return answer.get("value"), answer.get("error")

    def call(self, do, **command):
        self.send(do, **command)
        return self.receive()

    def must(self, do, **command):
        value, error = self.call(do, **command)
        if error:
            raise AssertionError(f"{self.argv[0]}: {do} {command}: {error}")
        return value

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def environment(folder, root, endpoint):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING", "TRANSFORMERS_"))}
    return {**clean, "HF_ENDPOINT": endpoint, "HF_HUB_CACHE": str(root), "HF_HOME": str(folder / "home"), "NO_COLOR": "1"}


class Clients:
    """python (current), old (1.29) and js."""

    def __init__(self, folder, root, endpoint):
        pythons = [Path(os.environ.get(name, BUILD / default)) for name, default in (("HUBFS_VENV", "venv"), ("HUBFS_VENV_OLD", "venv-old"))]
        node = Path(os.environ.get("HUBFS_NODE_DIR", BUILD / "node"))
        for needed in (*(each / "bin/python" for each in pythons), node / "node_modules/@huggingface/hub"):
            if not needed.exists():
                raise SystemExit(f"there is no {needed}: run scripts/test-env")
        env = environment(folder, root, endpoint)
        self.python, self.old = (Client([each / "bin/python", "-B", HERE / "model_worker.py"], env) for each in pythons)
        self.js = Client(["node", HERE / "model_worker.mjs"], {**env, "HUBFS_NODE_DIR": str(node)})

    def stop(self):
        for client in (self.python, self.old, self.js):
            client.stop()
