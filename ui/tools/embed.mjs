// Writes the built files as one C++ file: embed.mjs DIST OUT.cc. Each file twice, as it is and gzipped at its smallest,
// so that the server compresses nothing. Fails when the whole is larger than the budget of the console.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { extname, join, relative, resolve } from 'node:path';
import { constants, gzipSync } from 'node:zlib';

const kGzipBytesMax = 150 * 1024;
const kTypes = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml' };

const [dist, out] = process.argv.slice(2).map((path) => resolve(path));
const packed = `${out}.gzip`;
mkdirSync(packed, { recursive: true });

function* walk(directory) {
  for (const entry of readdirSync(directory, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else yield path;
  }
}

let arrays = '', rows = '', sum = 0, count = 0;
for (const path of walk(dist)) {
  const name = relative(dist, path);
  const type = kTypes[extname(name)];
  if (!type) throw new Error(`${name}: of what type is it?`);
  const bytes = readFileSync(path);
  const small = gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION });
  small[9] = 255; // the system it was made on does not matter
  const tag = createHash('sha256').update(bytes).digest('hex').slice(0, 32);
  const smallPath = join(packed, `${count}.gz`);
  writeFileSync(smallPath, small);
  sum += small.length;
  for (const [suffix, file] of [['', path], ['Gzip', smallPath]])
    arrays += `constexpr unsigned char kFile${count}${suffix}[] = {  // ${tag}\n#embed ${JSON.stringify(file)}\n};\n`;
  rows += `    {"${name}", "${type}", "\\"${tag}\\"", ${name.startsWith('assets/')}, kFile${count}, kFile${count}Gzip},\n`;
  ++count;
}
if (sum > kGzipBytesMax) throw new Error(`the console is ${sum} bytes gzipped, more than ${kGzipBytesMax}`);
writeFileSync(out, `// Written by ui/tools/embed.mjs.
#include "weir/admin/console_files.h"

#pragma clang diagnostic ignored "-Wc23-extensions"
namespace weir::admin {
namespace {
${arrays}constexpr ConsoleFile kFiles[] = {
${rows}};
}  // namespace
std::span<const ConsoleFile> console_files() {
  return kFiles;
}
}  // namespace weir::admin
`);
console.log(`console: ${count} files, ${sum} bytes gzipped`);
