// SPDX-License-Identifier: Apache-2.0
// The JS client that lives as long as model_test.py: commands as JSON lines on stdin, one line of answer for each.
import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";
import { pathToFileURL } from "node:url";

const { HUBFS_NODE_DIR, HF_ENDPOINT, HF_HUB_CACHE } = process.env;
const entry = createRequire(path.join(path.resolve(HUBFS_NODE_DIR), "any.js")).resolve("@huggingface/hub");
const hf = await import(pathToFileURL(entry).href);
for (const level of ["debug", "log", "info"]) console[level] = () => {}; // stdout is for answers

async function serve(command) {
  const params = {
    repo: { type: command.type, name: command.repo },
    revision: command.revision,
    hubUrl: HF_ENDPOINT,
    cacheDir: HF_HUB_CACHE,
  };
  if (command.do === "snapshot") return hf.snapshotDownload(params);
  if (command.do === "download") return hf.downloadFileToCacheDir({ ...params, path: command.path });
  throw new Error(`no such command: ${command.do}`);
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { value: await serve(JSON.parse(line)) };
  } catch (error) {
    answer = { error: `${error.name}: ${String(error.message).slice(0, 300)}` };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
