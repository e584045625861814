#!/usr/bin/env node
/*
 * Runs as podfs.cjs, fuse-server.cjs and so on: loads the bundle beside it (build.mjs), with the
 * code that V8 made of it at build time. To compile it anew takes longer than Node's own start.
 *
 * V8 refuses the code of another version of itself, of other flags or of another source, and
 * compiles. Nothing is ever written here: where a user can write, root must not run code.
 */
'use strict'
const { readFileSync } = require('node:fs')
const path = require('node:path')
const { Script } = require('node:vm')

const bundles = new Map()
const modules = new Map()

load(`${path.basename(__filename, '.cjs')}#main`)

/** As a module's `require`: another module, BUNDLE#NAME, or what Node finds. */
function load(id) {
  const known = modules.get(id)
  if (known !== undefined) return known.exports
  const [bundle, name] = id.split('#')
  if (name === undefined) return require(id)
  const run = modulesOf(bundle)[name]
  if (run === undefined)
    throw new Error(`${bundle}.bundle.cjs has been replaced by another version`)
  const module = { exports: {} }
  modules.set(id, module)
  run(module.exports, load, module)
  return module.exports
}

function modulesOf(bundle) {
  let found = bundles.get(bundle)
  if (found === undefined) {
    found = runBundle(path.join(__dirname, `${bundle}.bundle.cjs`))
    bundles.set(bundle, found)
  }
  return found
}

function runBundle(filename) {
  // It is ASCII, of which V8 makes a string without decoding it.
  const source = readFileSync(filename, 'latin1')
  const cachedData = readCodeCache(filename)
  return new Script(source, { filename, cachedData }).runInThisContext()
}

function readCodeCache(filename) {
  try {
    return readFileSync(`${filename}.cache`)
  } catch {
    return undefined // a build for another machine may do without
  }
}
