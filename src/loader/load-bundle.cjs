#!/usr/bin/env node
/*
 * Runs as podfs.cjs, fuse-server.cjs and pod-shim.cjs: loads the packs of modules beside it
 * (build.mjs), each when its first module is asked for, with the code that V8 made of it at
 * build time. To compile them anew takes longer than Node's own start.
 *
 * V8 refuses the code of another version of itself, of other flags or of another source, and
 * compiles. Nothing is ever written here: where a user can write, root must not run code.
 */
'use strict'
const { readFileSync } = require('node:fs')
const { basename, join } = require('node:path')
const { Script } = require('node:vm')

function loadPack(name) {
  const filename = join(__dirname, `${name}.bundle.cjs`)
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

const start = loadPack(basename(__filename, '.cjs'))
const modules = { ...start.modules }
const loaded = new Map()

function requireModule(name) {
  const there = loaded.get(name)
  if (there !== undefined) return there.exports
  if (modules[name] === undefined) {
    const pack = start.elsewhere[name]
    if (pack === undefined) return require(name)
    Object.assign(modules, loadPack(pack).modules)
  }
  const made = { exports: {} }
  // First: two modules may need each other.
  loaded.set(name, made)
  modules[name](made.exports, requireModule, made)
  return made.exports
}

requireModule(start.entry)
