/*
 * Writes the code that V8 makes of each bundle beside it, for load-bundle.cjs: of all of its
 * functions, for which of them a run will call is not known.
 *
 *   node write-code-cache.cjs BUNDLE..
 */
'use strict'
const { readFileSync, writeFileSync } = require('node:fs')
const { setFlagsFromString } = require('node:v8')
const { Script } = require('node:vm')

for (const filename of process.argv.slice(2)) {
  const source = readFileSync(filename, 'latin1')
  const wrapped = `(function (exports, require, module, __filename, __dirname) { ${source}\n})`
  setFlagsFromString('--no-lazy')
  const script = new Script(wrapped, { filename })
  // The flags are part of the cache; those of a run are the usual ones.
  setFlagsFromString('--lazy')
  writeFileSync(`${filename}.cache`, script.createCachedData())
}
