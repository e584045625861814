/*
 * Runs the tests for stryker.config.mjs, thousands of times, in one process. With a `node` for each
 * mutant, as Stryker's own runner for tap has it, nearly all of the time goes into loading tap and
 * compiling: half a second of CPU for tests that take 5 ms.
 *
 * The tests of a directory and all of src/ that they load are one script, compiled once. It is
 * evaluated anew for each mutant, so none finds what another one has left in a module; and only
 * those tests are run that come by the mutant.
 */
import {
  commonTokens,
  declareClassPlugin,
  PluginKind,
  tokens,
} from '@stryker-mutator/api/plugin'
import {
  determineHitLimitReached,
  DryRunStatus,
  TestStatus,
  toMutantRunResult,
} from '@stryker-mutator/api/test-runner'
import { build } from 'esbuild'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, resolve } from 'node:path'
import { performance } from 'node:perf_hooks'
import { pathToFileURL } from 'node:url'
import { constants, Script } from 'node:vm'
// First: @tapjs/test cannot be loaded before it. Not `tap`, which takes the process for its own.
import '@tapjs/core'
import { Test } from '@tapjs/test/built'

/** A test that has nothing to do for so many milliseconds waits for what never comes. */
const maxIdle = 3000

class MutantRunner {
  static inject = tokens(commonTokens.options)
  #tests
  #scripts
  /** How often a test comes by a mutant, where none is active. */
  #hits
  #hitsFile
  /** Of the test that is run: ends it. */
  #fail = () => {}

  constructor({ mutantRunner }) {
    this.#tests = mutantRunner.tests
    const fail = error => this.#fail(String(error))
    process.on('uncaughtException', fail).on('unhandledRejection', fail)
  }

  capabilities() {
    return { reloadEnvironment: true }
  }

  async init() {
    // In Stryker's copy of the tree, wherever a test goes.
    this.#hitsFile = resolve('mutant-hits.json')
    const directories = new Map()
    for (const path of this.#tests) {
      const isFile = path.endsWith('.ts')
      const directory = isFile ? dirname(path) : path
      const names = isFile ? [basename(path)] : readdirSync(path)
      directories.set(directory, [
        ...(directories.get(directory) ?? []),
        ...names.filter(name => name.endsWith('.test.ts')),
      ])
    }
    this.#scripts = await Promise.all(
      [...directories].map(([directory, names]) => compile(directory, names)),
    )
  }

  async dryRun() {
    const result = await this.#run({
      mutantCoverage: { static: {}, perTest: {} },
    })
    // Other processes than this one run mutants.
    writeFileSync(this.#hitsFile, JSON.stringify(result.mutantCoverage.perTest))
    return result
  }

  async mutantRun({ activeMutant, hitLimit, testFilter }) {
    this.#hits ??= JSON.parse(readFileSync(this.#hitsFile, 'utf8'))
    const state = { activeMutant: activeMutant.id, hitCount: 0, hitLimit }
    return toMutantRunResult(await this.#run(state, testFilter))
  }

  /** `state`: what the mutants that Stryker has put into src/ ask for. */
  async #run(state, testFilter) {
    const stryker = (globalThis.__stryker__ ??= {})
    Object.assign(
      stryker,
      { activeMutant: 'none', hitCount: undefined, mutantCoverage: undefined },
      state,
    )
    const tests = await this.#runTests(stryker, testFilter)
    const { hitCount, hitLimit, mutantCoverage } = stryker
    return (
      determineHitLimitReached(hitCount, hitLimit) ?? {
        status: DryRunStatus.Complete,
        tests,
        mutantCoverage,
      }
    )
  }

  /** Until one fails. */
  async #runTests(stryker, testFilter) {
    const results = []
    for (const { directory, testsOf } of this.#scripts) {
      stryker.currentTestId = undefined
      const { tests, error } = testsOf()
      if (error !== undefined) return [...results, resultOf(directory, error)]
      for (const [i, [name, ...args]] of tests.entries()) {
        const id = `${directory} ${i}: ${name}`
        if (testFilter !== undefined && !testFilter.includes(id)) continue
        stryker.currentTestId = id
        if (stryker.hitCount !== undefined) {
          stryker.hitCount = 0
          stryker.hitLimit = this.#hitLimit(id, stryker.activeMutant)
        }
        const before = performance.now()
        const failure = await this.#runTest(name, args)
        results.push(resultOf(id, failure, performance.now() - before))
        if (failure !== undefined) return results
      }
    }
    return results
  }

  /**
   * Stryker's own is a hundred times what all tests need together: a small test would go round in
   * circles as often as a large one may.
   */
  #hitLimit(test, mutant) {
    return 20 * ((this.#hits[test]?.[mutant] ?? 0) + 50)
  }

  /** Why it fails. */
  async #runTest(name, args) {
    const root = new Test({ name })
    root.resume()
    const { promise, resolve } = withResolvers()
    this.#fail = resolve
    let idle = 0
    let last = performance.eventLoopUtilization()
    const watch = setInterval(() => {
      const now = performance.eventLoopUtilization()
      const busy = performance.eventLoopUtilization(now, last).utilization
      last = now
      idle = busy < 0.1 ? idle + 500 : 0
      if (idle >= maxIdle) resolve('waits for ever')
    }, 500)
    root.test(name, ...args).then(
      result => resolve(result?.ok === false ? wordsOf(result) : undefined),
      error => resolve(String(error)),
    )
    const failure = await promise
    clearInterval(watch)
    this.#fail = () => {}
    return failure
  }
}

/** Of the first assertion that has failed: Stryker tells it when no mutant is active. */
function wordsOf({ failures: [first] = [] }) {
  return `${first?.fullname ?? 'fails'}\n${first?.diag?.diff ?? ''}`
}

function resultOf(id, failureMessage, time = 0) {
  const result = { id, name: id, timeSpentMs: Math.round(time) }
  return failureMessage === undefined
    ? { ...result, status: TestStatus.Success }
    : { ...result, status: TestStatus.Failed, failureMessage }
}

function withResolvers() {
  let resolve
  const promise = new Promise(settle => {
    resolve = settle
  })
  return { promise, resolve }
}

async function compile(directory, names) {
  // Stryker has gone to its copy of the tree, which esbuild does not notice.
  const beside = resolve(directory, 'mutants.cjs')
  const { outputFiles } = await build({
    stdin: {
      contents: names.map(name => `import './${name}'`).join('\n'),
      resolveDir: dirname(beside),
    },
    write: false,
    bundle: true,
    external: ['tap', 'koffi'],
    platform: 'node',
    format: 'cjs',
    target: 'node20.19',
    logLevel: 'warning',
    define: { 'import.meta.url': JSON.stringify(pathToFileURL(beside).href) },
  })
  const script = new Script(
    `(require, module, exports) => {${outputFiles[0].text}\n}`,
    {
      filename: beside,
      // https and the like, which src/ loads when they are needed.
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    },
  )
  const require = createRequire(beside)
  return {
    directory,
    testsOf: () => {
      const tests = []
      const assertions = []
      const tap = gathering(tests, assertions)
      const load = id => (id === 'tap' ? tap : require(id))
      try {
        script.runInThisContext()(load, {}, {})
      } catch (error) {
        return { error: String(error) }
      }
      const outside = async t => {
        for (const [how, ...args] of assertions) await t[how](...args)
      }
      return { tests: [['outside of all tests', outside], ...tests] }
    },
  }
}

/**
 * `t` as a test file sees it. The assertions outside of all tests are one test, and the first:
 * what they are about has been done by then, so all of it is done for a mutant that is met there.
 */
function gathering(tests, assertions) {
  return new Proxy(
    {},
    {
      get: (_, how) =>
        how === 'test'
          ? (...test) => tests.push(test)
          : (...assertion) => assertions.push([how, ...assertion]),
    },
  )
}

export const strykerPlugins = [
  declareClassPlugin(PluginKind.TestRunner, 'mutants', MutantRunner),
]
export const strykerValidationSchema = {
  properties: {
    mutantRunner: {
      type: 'object',
      properties: { tests: { type: 'array', items: { type: 'string' } } },
    },
  },
}
