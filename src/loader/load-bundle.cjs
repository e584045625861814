#!/usr/bin/env node
/*
 * Runs as podfs.cjs, fuse-server.cjs and pod-shim.cjs: loads the bundle beside it, with the code that V8
 * made of it at build time (write-code-cache.cjs). To compile the bundle anew takes longer
 * than Node's own start.
 *
 * V8 refuses the code of another version of itself, of other flags or of another source, and
 * compiles. Nothing is ever written here: where a user can write, root must not run code.
 */
'use strict'
const { readFileSync } = require('node:fs')
const { Script } = require('node:vm')

const filename = __filename.replace(/\.cjs$/, '.bundle.cjs')

function readCodeCache() {
  try {
    return readFileSync(`${filename}.cache`)
  } catch {
    return undefined // a build for another machine may do without
  }
}

function loadScript() {
  // esbuild writes ASCII, of which V8 makes a string without decoding it.
  const source = readFileSync(filename, 'latin1')
  // As in write-code-cache.cjs, to the letter.
  const wrapped = `(function (exports, require, module, __filename, __dirname) { ${source}\n})`
  return new Script(wrapped, { filename, cachedData: readCodeCache() })
}

const run = loadScript().runInThisContext()
run(exports, require, module, filename, __dirname)
