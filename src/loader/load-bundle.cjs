#!/usr/bin/env node
/*
 * Runs as podfs.cjs, fuse-server.cjs and pod-shim.cjs: loads the bundle beside it (build.mjs),
 * with the code that V8 made of it at build time. To compile it anew takes longer than Node's
 * own start.
 *
 * V8 refuses the code of another version of itself, of other flags or of another source, and
 * compiles. Nothing is ever written here: where a user can write, root must not run code.
 */
'use strict'
const { readFileSync } = require('node:fs')
const path = require('node:path')
const { Script } = require('node:vm')

function readCodeCache(filename) {
  try {
    return readFileSync(`${filename}.cache`)
  } catch {
    return undefined // a build for another machine may do without
  }
}

const filename = path.join(
  __dirname,
  `${path.basename(__filename, '.cjs')}.bundle.cjs`,
)
// It is ASCII, of which V8 makes a string without decoding it.
const source = readFileSync(filename, 'latin1')
const cachedData = readCodeCache(filename)
new Script(source, { filename, cachedData }).runInThisContext()(
  exports,
  require,
  module,
  filename,
)
