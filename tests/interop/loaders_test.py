# SPDX-License-Identifier: Apache-2.0
"""Real programs and libraries on files that are not downloaded, through the mount: the right bytes each time.

Runs in the Python of scripts/test-env.
"""

import importlib.util
import os
import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "mount"))

from hubfs_mount import MountTest, main, sha256, wait_until  # noqa: E402

for module in ("numpy", "safetensors", "onnxruntime", "gguf", "tokenizers"):
    if importlib.util.find_spec(module) is None:
        sys.exit(f"this interpreter has no {module}: run scripts/test-env, and this test with build/venv/bin/python")

import gguf  # noqa: E402
import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
import safetensors.numpy  # noqa: E402
from safetensors import safe_open  # noqa: E402

DEMO = Path(__file__).resolve().parents[2] / "build/demo-data/models"
ROWS = 24


def tensors(seed):
    rng = np.random.default_rng(seed)
    return {f"layer.{i}.weight": rng.standard_normal((512, 256 * (1 + i % 3)), dtype=np.float32) for i in range(ROWS)}


class LoadersTest(MountTest):
    @classmethod
    def setUpClass(cls):
        cls.weights = tensors(1)

    def setUp(self):
        super().setUp()
        made = self.folder / "data/models/meta/loaders"
        made.mkdir(parents=True)
        safetensors.numpy.save_file(self.weights, made / "model.safetensors")
        np.save(made / "array.npy", self.weights["layer.5.weight"])
        writer = gguf.GGUFWriter(made / "model.gguf", "llama")
        writer.add_array("tokenizer.ggml.tokens", [f"token{i}" for i in range(20_000)])
        for name, value in self.weights.items():
            writer.add_tensor(name, value)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        voice = next(DEMO.glob("snakers4/silero-vad/*.onnx"))
        shutil.copy(voice, made / "voice.onnx")
        self.original = made
        self.mounted = self.mount(hub=self.hub())
        self.folder_in_view = self.mounted / "hub/meta/loaders"
        self.assertEqual(self.names(self.folder_in_view), sorted(p.name for p in made.iterdir()))

    def view(self, name):
        self.assertEqual(os.getxattr(self.folder_in_view / name, "user.hubfs.state"), b"remote")
        return self.folder_in_view / name

    def test_safetensors_in_random_order_from_many_threads(self):
        names = list(self.weights)
        random.Random(7).shuffle(names)
        wrong = []
        with safe_open(self.view("model.safetensors"), framework="np") as file:
            self.assertEqual(sorted(file.keys()), sorted(names))

            def load(some):
                for name in some:
                    if not np.array_equal(file.get_tensor(name), self.weights[name]):
                        wrong.append(name)

            threads = [threading.Thread(target=load, args=(names[i::6],)) for i in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(wrong, [])

    def test_numpy_memmap(self):
        array = np.load(self.view("array.npy"), mmap_mode="r")
        original = self.weights["layer.5.weight"]
        for row in random.Random(3).sample(range(512), 50):
            self.assertTrue(np.array_equal(array[row], original[row]))
        self.assertTrue(np.array_equal(array, original))

    def test_gguf_reader(self):
        reader = gguf.GGUFReader(self.view("model.gguf"))
        self.assertEqual(len(reader.tensors), ROWS)
        for tensor in reversed(reader.tensors):
            self.assertTrue(np.array_equal(tensor.data.reshape(-1), self.weights[tensor.name].reshape(-1)), tensor.name)

    def test_onnxruntime(self):
        def names(path):
            session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            return [given.name for given in session.get_inputs()]

        self.assertEqual(names(self.view("voice.onnx")), names(self.original / "voice.onnx"))

    def test_programs(self):
        expected = {p.name: sha256(p.read_bytes()) for p in self.original.iterdir()}
        out = self.folder / "out"
        out.mkdir()
        commands = {
            "model.safetensors": ["cp", self.view("model.safetensors"), out],
            "array.npy": ["rsync", "-S", self.view("array.npy"), f"{out}/"],
            "model.gguf": ["sh", "-c", f"tar -S -cf - -C {self.folder_in_view} model.gguf | tar -xf - -C {out}"],
        }
        for name, command in commands.items():
            subprocess.run([str(part) for part in command], check=True)
            self.assertEqual(sha256((out / name).read_bytes()), expected[name], command[0])
        done = subprocess.run(["sha256sum", self.view("voice.onnx")], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout.split()[0], expected["voice.onnx"])
        for name in expected:
            self.assertTrue(wait_until(lambda: os.getxattr(self.folder_in_view / name, "user.hubfs.state") == b"cached", 10), name)


if __name__ == "__main__":
    main()
