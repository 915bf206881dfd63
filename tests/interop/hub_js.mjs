#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
//
// Judges the local Hub with the real JavaScript client. HUBFS_HUB_BIN names the hubfs-hub program, HUBFS_NODE_DIR the folder
// whose node_modules holds @huggingface/hub (written for 2.17.5). Exit status 0: all passed.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { lstat, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

let failures = 0;
function check(name, passed, detail) {
  console.log(`${passed ? "ok  " : "FAIL"} ${name}${passed ? "" : `: ${detail}`}`);
  if (!passed) failures += 1;
}
function equal(name, got, expected) {
  const [a, b] = [JSON.stringify(got), JSON.stringify(expected)];
  check(name, a === b, `got ${a}, expected ${b}`);
}
async function refused(name, status, call) {
  try {
    check(name, false, `no error, but ${JSON.stringify(await call())}`);
  } catch (error) {
    check(name, error.statusCode === status, `${error}`);
  }
}
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

async function startHub(folder) {
  const args = ["--data", folder, "--token", "hf_good", "--limited-token", "hf_weak"];
  const child = spawn(process.env.HUBFS_HUB_BIN, args, { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  const [line] = await new Promise((resolve) => lines.once("line", (text) => resolve([text])));
  const url = line.split(" ")[1];
  const control = async (what, body) => {
    const init = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    const answer = await fetch(`${url}/__hub/${what}`, init);
    if (!answer.ok) throw new Error(`${what}: ${await answer.text()}`);
    return answer.json();
  };
  const stop = () =>
    new Promise((resolve) => {
      child.once("exit", (code) => resolve(code));
      child.kill("SIGTERM");
    });
  return { url, control, stop };
}

// No empty file: the client asks for bytes=0-0 of everything, which no server can answer with a range of an empty file.
const config = '{"model_type": "llama"}\n';
const weight = { size: 3_000_000, seed: 1 };

async function makeRepos(control) {
  const files = {
    "config.json": config,
    "sub/deep/file.txt": "deep",
    "model.safetensors": weight,
  };
  const { revisions } = await control("repos", {
    id: "org/model",
    revisions: { main: files, "v1/x": { "config.json": "{}" }, "refs/pr/1": { "config.json": "[]" } },
  });
  await control("repos", { id: "gpt2", files: { "config.json": "{}" } });
  for (const type of ["dataset", "space"]) {
    await control("repos", { type, id: "org/thing", files: { "file.txt": type, "big.bin": { size: 50_000, seed: 2 } } });
  }
  for (const flag of ["private", "gated"]) {
    await control("repos", { id: `org/${flag}`, [flag]: true, files: { "w.bin": { size: 40_000, seed: 3 } } });
  }
  return revisions.main;
}

async function judgeRepo(hf, hub, sha) {
  const hubUrl = hub.url;
  const info = await hf.modelInfo({ name: "org/model", hubUrl, additionalFields: ["sha"] });
  equal("modelInfo", [info.name, info.sha, info.private], ["org/model", sha, false]);
  equal("datasetInfo", (await hf.datasetInfo({ name: "org/thing", hubUrl })).name, "org/thing");
  equal("spaceInfo", (await hf.spaceInfo({ name: "org/thing", hubUrl })).name, "org/thing");
  equal("whoAmI", (await hf.whoAmI({ accessToken: "hf_good", hubUrl })).name, "tester");
  equal("repoExists", await hf.repoExists({ repo: "org/model", hubUrl }), true);
  equal("repoExists, missing", await hf.repoExists({ repo: "org/none", hubUrl, accessToken: "hf_good" }), false);
  equal("fileExists", await hf.fileExists({ repo: "org/model", path: "config.json", hubUrl }), true);
  equal("fileExists, missing", await hf.fileExists({ repo: "org/model", path: "none", hubUrl }), false);
  const commits = [];
  for await (const commit of hf.listCommits({ repo: "org/model", hubUrl })) commits.push(commit.oid);
  equal("listCommits", commits, [sha]);
}

async function judgeListing(hf, hub, sha) {
  const list = async (params) => {
    const paths = [];
    for await (const item of hf.listFiles({ repo: "org/model", hubUrl: hub.url, ...params })) paths.push(item.path);
    return paths.sort();
  };
  const all = ["config.json", "model.safetensors", "sub", "sub/deep", "sub/deep/file.txt"];
  for (const pageSize of [1000, 2]) {
    await hub.control("settings", { page_size: pageSize });
    equal(`listFiles, pages of ${pageSize}`, await list({ recursive: true }), all);
  }
  await hub.control("settings", { page_size: 1000 });
  equal("listFiles, folder", await list({ path: "sub/deep" }), ["sub/deep/file.txt"]);
  equal("listFiles, pull request", await list({ revision: "refs/pr/1" }), ["config.json"]);
  const [info] = await hf.pathsInfo({ repo: "org/model", paths: ["model.safetensors"], expand: true, hubUrl: hub.url });
  equal("pathsInfo", [info.size, info.lfs.size, info.lastCommit.id], [weight.size, weight.size, sha]);
  return info.lfs.oid;
}

async function judgeFiles(hf, hub, sha, oid) {
  const file = { repo: "org/model", hubUrl: hub.url };
  const plain = await hf.fileDownloadInfo({ ...file, path: "config.json" });
  equal("fileDownloadInfo", [plain.size, plain.url.startsWith(hub.url)], [config.length, true]);
  const lfs = await hf.fileDownloadInfo({ ...file, path: "model.safetensors", accessToken: "hf_good" });
  equal("fileDownloadInfo of LFS", [lfs.size, lfs.url.startsWith(hub.url)], [weight.size, true]);
  equal("fileDownloadInfo of nothing", await hf.fileDownloadInfo({ ...file, path: "none" }), null);
  const blob = await hf.downloadFile({ ...file, path: "model.safetensors", accessToken: "hf_good" });
  const bytes = new Uint8Array(await blob.arrayBuffer());
  equal("downloadFile", sha256(bytes), oid);
  const slice = new Uint8Array(await blob.slice(1_048_570, 1_048_600).arrayBuffer());
  equal("slice", sha256(slice), sha256(bytes.subarray(1_048_570, 1_048_600)));
  const raw = await hf.downloadFile({ ...file, path: "model.safetensors", raw: true });
  check("raw is the pointer", (await raw.text()).includes(`oid sha256:${oid}`));
  await hub.control("settings", { resolve_cache: true });
  const cached = await hf.downloadFile({ ...file, path: "config.json" });
  equal("downloadFile by resolve-cache", await cached.text(), config);
  await hub.control("settings", { resolve_cache: false });
}

async function judgeCache(hf, hub, sha, oid, cacheDir) {
  const one = { repo: "org/model", hubUrl: hub.url, cacheDir };
  const at = await hf.downloadFileToCacheDir({ ...one, path: "model.safetensors" });
  equal("downloadFileToCacheDir", sha256(await readFile(at)), oid);
  check("blob is named by sha256", (await lstat(path.join(cacheDir, "models--org--model/blobs", oid))).isFile());
  const old = await hf.downloadFileToCacheDir({ ...one, path: "config.json", revision: "v1/x" });
  equal("downloadFileToCacheDir of a branch", await readFile(old, "utf8"), "{}");
  const folder = await hf.snapshotDownload(one);
  equal("snapshotDownload", path.basename(folder), sha);
  const names = (await readdir(folder, { recursive: true })).sort();
  equal("snapshot", names, ["config.json", "model.safetensors", "sub", "sub/deep", "sub/deep/file.txt"]);
  equal("ref", await readFile(path.join(cacheDir, "models--org--model/refs/main"), "utf8"), sha);
  for (const type of ["dataset", "space"]) {
    const other = await hf.snapshotDownload({ repo: { type, name: "org/thing" }, hubUrl: hub.url, cacheDir });
    equal(`snapshotDownload of a ${type}`, await readFile(path.join(other, "file.txt"), "utf8"), type);
  }
  const bare = await hf.snapshotDownload({ repo: "gpt2", hubUrl: hub.url, cacheDir });
  equal("snapshotDownload of an org-less id", await readFile(path.join(bare, "config.json"), "utf8"), "{}");
}

async function judgeAccess(hf, hub) {
  const hubUrl = hub.url;
  const get = (repo, accessToken) => () => hf.downloadFile({ repo, path: "w.bin", hubUrl, accessToken });
  await refused("missing repo", 401, () => hf.modelInfo({ name: "org/none", hubUrl }));
  await refused("missing repo with a token", 404, () => hf.modelInfo({ name: "org/none", hubUrl, accessToken: "hf_good" }));
  await refused("private without a token", 401, get("org/private"));
  await refused("private with a weak token", 404, get("org/private", "hf_weak"));
  await refused("gated without a token", 401, get("org/gated"));
  await refused("gated with a weak token", 403, get("org/gated", "hf_weak"));
  await refused("bad token", 401, get("org/gated", "hf_bad"));
  for (const repo of ["org/private", "org/gated"]) {
    const blob = await get(repo, "hf_good")();
    equal(`${repo} with a good token`, (await blob.arrayBuffer()).byteLength, 40_000);
  }
  await refused("missing revision", 404, () => hf.modelInfo({ name: "org/model", revision: "none", hubUrl }));
  equal("the token never reached the CDN", (await hub.control("stats")).token_leaks, 0);
}

async function judgeXet(hf, hub) {
  await hub.control("repos", { id: "org/xet", xet: true, files: { "w.bin": { size: 70_000, seed: 9 } } });
  const file = { repo: "org/xet", path: "w.bin", hubUrl: hub.url };
  const info = await hf.fileDownloadInfo(file);
  equal("fileDownloadInfo of Xet", [info.size, info.xet.hash.length], [70_000, 64]);
  check("Xet addresses", info.xet.refreshUrl.href.startsWith(`${hub.url}/api/models/org/xet/xet-read-token/`), info.xet.refreshUrl);
  const blob = await hf.downloadFile({ ...file, xet: false });
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const [entry] = await hf.pathsInfo({ repo: "org/xet", paths: ["w.bin"], hubUrl: hub.url });
  equal("Xet file over HTTP", sha256(bytes), entry.lfs.oid);
  equal("xetHash in paths-info", entry.xetHash, info.xet.hash);
}

async function main() {
  const folderOfNode = path.resolve(process.env.HUBFS_NODE_DIR ?? ".");
  let entry;
  try {
    entry = createRequire(path.join(folderOfNode, "any.js")).resolve("@huggingface/hub");
  } catch {
    console.error(`no @huggingface/hub in ${folderOfNode}: run scripts/test-env`);
    return 1;
  }
  const hf = await import(pathToFileURL(entry).href);
  const manifest = await readFile(path.join(folderOfNode, "node_modules/@huggingface/hub/package.json"), "utf8");
  console.log(`@huggingface/hub ${JSON.parse(manifest).version}`);
  console.debug = () => {}; // the client tells of every file
  const folder = await mkdtemp(path.join(tmpdir(), "hubfs-js-"));
  const hub = await startHub(folder);
  try {
    const sha = await makeRepos(hub.control);
    await judgeRepo(hf, hub, sha);
    const oid = await judgeListing(hf, hub, sha);
    await judgeFiles(hf, hub, sha, oid);
    await judgeCache(hf, hub, sha, oid, path.join(folder, "cache"));
    await judgeAccess(hf, hub);
    await judgeXet(hf, hub);
  } finally {
    equal("stops cleanly on SIGTERM", await hub.stop(), 0);
    await rm(folder, { recursive: true, force: true });
  }
  console.log(failures ? `${failures} failed` : "all passed");
  return failures ? 1 : 0;
}

process.exitCode = await main();
