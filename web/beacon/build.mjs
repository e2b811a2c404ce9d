// SPDX-License-Identifier: Apache-2.0
//
// Makes beacon.js of beacon.ts; it names the digest of its source, so that a test without npm can tell
// whether the two belong together.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

import { buildSync } from "esbuild";

execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "--noEmit"], { stdio: "inherit" });

const digest = createHash("sha256").update(readFileSync("beacon.ts")).digest("hex");
buildSync({
  entryPoints: ["beacon.ts"],
  outfile: process.argv[2] ?? "beacon.js",
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2020",
  legalComments: "none",
  banner: { js: `/* SPDX-License-Identifier: Apache-2.0; made from beacon.ts ${digest} */` },
});
