/*
 * `npm run mutants`: small mistakes are made in the rooms that decide and do nothing else, one
 * at a time, and each must fail a test. One room alone: `ROOM=store npm run mutants`.
 *
 * A mutant that changes nothing that anybody can see is marked where it is, with the reason:
 *     // Stryker disable next-line ConditionalExpression: the loop below does nothing then
 */

/**
 * In the order of what a mistake would cost, each with its tests: a directory of them, or
 * files. No test that starts a process: they are run again for each mutant.
 */
const rooms = {
  projection: ['src/projection/*.ts', 'test/projection'],
  store: ['src/store/*.ts', 'test/store'],
  writer: ['src/writer/*.ts', 'test/writer'],
  lifecycle: ['src/runner/lifecycle/*.ts', 'test/runner'],
  status: ['src/runner/status/*.ts', 'test/runner'],
  launch: ['src/runner/launch/*.ts', 'test/runner'],
  history: [
    'src/volumes/{volume-history,history-budget,payload-changes}.ts',
    'test/volumes/volume-history.test.ts',
  ],
  api: ['src/api/{*,encode/*}.ts', 'test/api'],
  decode: ['src/api/decode/*.ts', 'test/api'],
  validation: ['src/api/validation/*.ts', 'test/api'],
  schema: ['src/api/schema/*.ts', 'test/api'],
  yaml: ['src/api/yaml/*.ts', 'test/api'],
}

const { ROOM } = process.env
if (ROOM !== undefined && !(ROOM in rooms))
  throw new Error(`ROOM is none of ${Object.keys(rooms).join(', ')}`)
const chosen = ROOM === undefined ? Object.values(rooms) : [rooms[ROOM]]

const tests = [...new Set(chosen.flatMap(([, ...tests]) => tests))]

export default {
  mutate: chosen.map(([sources]) => sources),
  testRunner: 'mutants',
  plugins: ['./test/mutant-runner.mjs'],
  mutantRunner: { tests },
  coverageAnalysis: 'perTest',
  concurrency: 1,
  reporters: ['clear-text', 'progress-append-only'],
  clearTextReporter: { allowEmojis: false, reportTests: false },
  thresholds: { high: 95, low: 85, break: 85 },
  ignorePatterns: ['/bench', '/dist', '/systemd'],
  cleanTempDir: 'always',
  allowConsoleColors: false,
}
