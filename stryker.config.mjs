/*
 * `npm run mutants`: small mistakes are made in the rooms that decide and do nothing else, one
 * at a time, and each must fail a test. One room alone: `ROOM=store npm run mutants`.
 *
 * A mutant that changes nothing that anybody can see is marked where it is, with the reason:
 *     // Stryker disable next-line ConditionalExpression: the loop below does nothing then
 */
import { readdirSync } from 'node:fs'

const yamlTests = ['test/api/yaml-places.test.ts', 'test/api/yaml.test.ts']
/** Of what the API server refuses: hundreds of objects, each a test. */
const vectors = 'test/api/validation-vectors.test.ts'
const apiTests = readdirSync('test/api')
  .map(name => `test/api/${name}`)
  .filter(
    path =>
      path.endsWith('.test.ts') &&
      !path.startsWith('test/api/yaml') &&
      path !== vectors,
  )

/** First, since nearly all mistakes in a table are theirs. */
const schemaTests = [
  'test/api/schema-fields.test.ts',
  'test/api/fields-document.test.ts',
]

/**
 * In the order of what a mistake would cost, each with its tests: a directory of them, or
 * files. No test that starts a process: they are run again for each mutant.
 */
export const rooms = {
  projection: ['src/projection/*.ts', 'test/projection'],
  store: ['src/store/*.ts', 'test/store'],
  writer: ['src/writer/*.ts', 'test/writer'],
  lifecycle: [
    'src/runner/lifecycle/!(http-*|handler-*|request-target|user-agent|dial-error).ts',
    'test/runner',
  ],
  // Without what only talks to a server.
  probes: [
    'src/runner/lifecycle/{probes/!(grpc-probe|http-probe|tcp-probe),handler-*,request-target,user-agent,dial-error}.ts',
    ...['handler-words', 'probe-state', 'probes', 'grpc-probe'].map(
      name => `test/runner/${name}.test.ts`,
    ),
  ],
  status: ['src/runner/status/*.ts', 'test/runner'],
  launch: ['src/runner/launch/*.ts', 'test/runner'],
  history: [
    'src/volumes/{volume-history,history-budget,payload-changes}.ts',
    'test/volumes/volume-history.test.ts',
  ],
  // Without what listens or connects.
  services: [
    'src/services/{choose-endpoint,service-entry,service-variables,service,dns/zone}.ts',
    ...['choose-endpoint', 'service-entry', 'zone'].map(
      name => `test/services/${name}.test.ts`,
    ),
  ],
  jobs: [
    'src/pods/{job-progress,job-tries,cron-schedule}.ts',
    ...['job-progress', 'job-tries', 'cron-schedule'].map(
      name => `test/pods/${name}.test.ts`,
    ),
  ],
  streams: [
    'src/streams/{channels,copies,forwarded-ports,framed-socket,stream-status}.ts',
    'test/streams',
  ],
  api: ['src/api/{*,encode/*}.ts', ...apiTests],
  decode: ['src/api/decode/*.ts', ...apiTests, vectors],
  validation: ['src/api/validation/*.ts', ...apiTests, vectors],
  schema: ['src/api/schema/*.ts', ...schemaTests, ...apiTests],
  yaml: ['src/api/yaml/*.ts', ...yamlTests],
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
  // Small objects of which few last: the garbage collector took half of the time.
  testRunnerNodeArgs: ['--max-semi-space-size=64'],
  // tap keeps something of each test.
  maxTestRunnerReuse: 200,
  coverageAnalysis: 'perTest',
  // On a machine that does something else, too.
  dryRunTimeoutMinutes: 30,
  // A loop is ended by Stryker's count, a wait by the runner: this is for what neither sees.
  timeoutMS: 20_000,
  concurrency: 1,
  reporters: ['clear-text', 'progress-append-only'],
  clearTextReporter: { allowEmojis: false, reportTests: false },
  thresholds: { high: 95, low: 85, break: 85 },
  ignorePatterns: ['/.tap', '/bench', '/dist', '/systemd'],
  cleanTempDir: 'always',
  allowConsoleColors: false,
}
