/*
 * `npm run mutants`: small mistakes are made in the rooms that decide and do nothing else, one
 * at a time, and each must fail a test. One room alone: `ROOM=store npm run mutants`.
 *
 * A mutant that changes nothing that anybody can see is marked where it is, with the reason:
 *     // Stryker disable next-line ConditionalExpression: the loop below does nothing then
 */

/**
 * In the order of what a mistake would cost, each with its tests. No test that starts a process
 * or mounts: each is run once for every mutant that it reaches.
 */
const rooms = {
  projection: ['src/projection/*.ts', 'test/projection/*.test.ts'],
  store: ['src/store/*.ts', 'test/store/*.test.ts'],
  writer: ['src/writer/*.ts', 'test/writer/*.test.ts'],
  lifecycle: ['src/runner/lifecycle/*.ts', 'test/runner/*.test.ts'],
  status: ['src/runner/status/*.ts', 'test/runner/*.test.ts'],
  launch: ['src/runner/launch/*.ts', 'test/runner/*.test.ts'],
  history: [
    'src/volumes/volume-history.ts',
    'test/volumes/volume-history.test.ts',
  ],
  api: ['src/api/**/*.ts', 'test/api/*.test.ts'],
}

const { ROOM } = process.env
if (ROOM !== undefined && !(ROOM in rooms))
  throw new Error(`ROOM is none of ${Object.keys(rooms).join(', ')}`)
const chosen = ROOM === undefined ? Object.values(rooms) : [rooms[ROOM]]

export default {
  mutate: chosen.map(([sources]) => sources),
  testRunner: 'tap',
  plugins: ['@stryker-mutator/tap-runner'],
  tap: {
    testFiles: [...new Set(chosen.map(([, tests]) => tests))],
    nodeArgs: ['--import', './test/tap-typescript/import.mjs'],
  },
  coverageAnalysis: 'perTest',
  reporters: ['clear-text', 'progress-append-only'],
  clearTextReporter: { allowEmojis: false, reportTests: false },
  thresholds: { high: 95, low: 85, break: 85 },
  ignorePatterns: ['/bench', '/dist', '/examples', '/systemd'],
  cleanTempDir: 'always',
  allowConsoleColors: false,
}
