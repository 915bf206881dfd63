# SPDX-License-Identifier: Apache-2.0
"""Two small programs that use a model through the mount, for scripts/demo. They open files and nothing else.

demo_model.py sentences FOLDER   a sentence encoder of the BERT kind: model.safetensors, tokenizer.json, config.json
demo_model.py onnx FILE          an ONNX voice detector
"""

import json
import pathlib
import sys

import numpy as np

SENTENCES = [
    "A cat is asleep on the sofa.",
    "The kitten naps on the couch.",
    "The central bank raised its interest rate.",
]


def encode(folder: pathlib.Path, sentences):
    """One vector of length 1 for each sentence: the mean of what BERT makes of its tokens."""
    from safetensors import safe_open
    from tokenizers import Tokenizer

    config = json.loads((folder / "config.json").read_text())
    heads, layers, epsilon = config["num_attention_heads"], config["num_hidden_layers"], config["layer_norm_eps"]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    with safe_open(folder / "model.safetensors", framework="np") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}

    def linear(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def gelu(x):
        return 0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3)))

    def attention(x, name):
        def split(y):
            return y.reshape(len(y), heads, -1).swapaxes(0, 1)

        query, key, value = (split(linear(x, f"{name}.self.{part}")) for part in ("query", "key", "value"))
        scores = query @ key.swapaxes(1, 2) / np.sqrt(query.shape[-1])
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True) @ value).swapaxes(0, 1).reshape(x.shape)
        return norm(linear(mixed, f"{name}.output.dense") + x, f"{name}.output.LayerNorm")

    def forward(tokens):
        x = (
            weights["embeddings.word_embeddings.weight"][tokens]
            + weights["embeddings.position_embeddings.weight"][: len(tokens)]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        x = norm(x, "embeddings.LayerNorm")
        for layer in range(layers):
            name = f"encoder.layer.{layer}"
            x = attention(x, f"{name}.attention")
            inner = linear(gelu(linear(x, f"{name}.intermediate.dense")), f"{name}.output.dense")
            x = norm(inner + x, f"{name}.output.LayerNorm")
        mean = x.mean(0)
        return mean / np.linalg.norm(mean)

    tokenizer.no_padding()
    return len(weights), np.array([forward(np.array(tokenizer.encode(text).ids)) for text in sentences])


def sentences(folder: str) -> int:
    tensors, vectors = encode(pathlib.Path(folder), SENTENCES)
    print(f"{tensors} tensors read; how alike the sentences are (1 is the same):")
    for first, second in ((0, 1), (0, 2)):
        print(f"  {vectors[first] @ vectors[second]:5.2f}  {SENTENCES[first]}  /  {SENTENCES[second]}")
    if vectors[0] @ vectors[1] < vectors[0] @ vectors[2] + 0.2:
        print("these weights are not those of a trained model", file=sys.stderr)
        return 1
    return 0


def onnx(file: str) -> int:
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    rate, samples = 16000, 512
    time = np.arange(rate) / rate
    # A voice, roughly: overtones of a gliding pitch, loud near two formants that move as between two vowels, in syllables.
    phase = 2 * np.pi * np.cumsum(130 + 25 * np.sin(2 * np.pi * 1.5 * time)) / rate
    first, second = 550 + 200 * np.sin(2 * np.pi * 2 * time), 1500 - 500 * np.sin(2 * np.pi * 2 * time)
    voice = sum(
        np.sin(n * phase) * (np.exp(-(((130 * n - first) / 120) ** 2)) + 0.5 * np.exp(-(((130 * n - second) / 150) ** 2)))
        for n in range(1, 30)
    ) * (0.55 + 0.45 * np.sin(2 * np.pi * 4 * time))
    sounds = {"silence": np.zeros(rate), "two vowels, synthesised": 0.3 * voice / np.abs(voice).max()}
    print("how likely each sound is a voice:")
    for name, sound in sounds.items():
        state = np.zeros((2, 1, 128), np.float32)
        context = np.zeros(64, np.float32)
        likely = []
        for start in range(0, rate - samples, samples):
            chunk = sound[start : start + samples].astype(np.float32)
            inputs = {"input": np.concatenate([context, chunk])[None], "state": state, "sr": np.array(rate)}
            answer, state = session.run(None, {given.name: inputs[given.name] for given in session.get_inputs()})
            context = chunk[-64:]
            likely.append(float(answer[0, 0]))
        print(f"  {max(likely):5.2f}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit({"sentences": sentences, "onnx": onnx}[sys.argv[1]](sys.argv[2]))
