import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import t from 'tap'
import { keyOf } from '../../src/api/object-key.ts'
import { formatFinding, type Finding } from '../../src/api/report.ts'
import { readManifest } from '../../src/sources/manifests/manifest-reader.ts'
import { cannotStart, capability } from '../helpers/capability.ts'
import { podfs, startPodfs, stateDirectory } from '../helpers/podfs.ts'

const skip = cannotStart()

/*
 * What Helm and kustomize make, as people have it. rendered/ holds what
 *   helm template demo test/fixtures/charts/CHART
 *   kubectl kustomize test/fixtures/charts/kustomize/OVERLAY
 * print; with the programs that are here that is rendered anew and treated alike.
 */
const charts = 'test/fixtures/charts'
const claim = `${stateDirectory}/claims/default/data-demo-db-0`

const inputs: readonly {
  readonly name: string
  readonly command: readonly [string, ...string[]]
  /** What to give to `run`, and what must come of it. */
  readonly args: readonly string[]
  readonly output: readonly RegExp[]
  /** It ends by itself. */
  readonly ends?: boolean
}[] = [
  {
    name: 'shop',
    command: ['helm', 'template', 'demo', `${charts}/shop`],
    args: [
      '--image',
      `registry.example.com/shop/web=sh -c 'echo "$LOG_LEVEL $POD_NAME $DB_PASSWORD"; head -n 1 "$1"; cat /run/secrets/shop/password; echo; id -u; exec sleep 1000000'`,
    ],
    output: [
      /^web \| info demo-shop correct-horse$/m,
      /^web \| greeting = Welcome to the shop$/m,
      /^web \| correct-horse$/m,
      /^web \| 1000$/m,
    ],
  },
  {
    name: 'database',
    command: ['helm', 'template', 'demo', `${charts}/database`],
    args: [
      'statefulset/demo-db',
      '--image',
      `postgres=sh -c 'tail -n 1 /etc/hosts; stat -c %a "$PGDATA"; cat /etc/postgresql/custom.conf "$POSTGRES_PASSWORD_FILE"; echo; exec sleep 1000000'`,
    ],
    output: [
      /^postgres +\| 127\.\S+\tdemo-db-0\.demo-db-headless\.default\.svc\.cluster\.local\tdemo-db-0$/m,
      /^postgres +\| 700$/m,
      /^postgres +\| shared_buffers = 64MB$/m,
      /^postgres +\| s3cr3t$/m,
    ],
  },
  {
    name: 'migrator',
    command: ['helm', 'template', 'demo', `${charts}/migrator`],
    args: [
      '--all',
      'cronjob/demo-vacuum',
      '--image',
      `ghcr.io/example/=sh -c 'cat "$0"/*'`,
    ],
    output: [
      /^demo-migrate\/migrate \| create table item \(id int primary key\);$/m,
      /^demo-vacuum\/vacuum {3}\| vacuumed by demo-vacuum$/m,
    ],
    ends: true,
  },
  {
    name: 'kustomize-dev',
    command: ['kubectl', 'kustomize', `${charts}/kustomize/dev`],
    args: [],
    output: [/^web \| dev colour = grey base-token$/m],
  },
  {
    name: 'kustomize-prod',
    command: ['kubectl', 'kustomize', `${charts}/kustomize/prod`],
    args: ['-n', 'prod', 'deployment/web-v2'],
    output: [/^web \| base colour = grey prod-token$/m],
  },
]

const renderedBy = (name: string) => `${charts}/rendered/${name}.yaml`

t.test('validate finds no mistake', async t => {
  const { code, stdout } = await podfs(t, [
    'validate',
    ...inputs.flatMap(({ name }) => ['-f', renderedBy(name)]),
    '-o',
    'json',
  ])
  t.equal(code, 0, stdout)
  const { findings } = JSON.parse(stdout) as {
    readonly findings: readonly Finding[]
  }
  t.ok(findings.length > 0)
  for (const { treatment } of findings)
    t.ok(['emulated', 'ignored'].includes(treatment))
})

for (const { name, command, args, output, ends = false } of inputs) {
  t.test(`${name}: runs`, { skip }, async t => {
    // The claim of the database is kept by design.
    t.teardown(() => rm(claim, { recursive: true, force: true }))
    // As from a pipe: several documents, one of which can be run, or some.
    const input = readFileSync(renderedBy(name), 'utf8')
    const run = startPodfs(t, ['run', '-f', '-', ...args], { input })
    for (const pattern of output) await run.saw(pattern)
    if (!ends) {
      run.child.kill('SIGINT')
      await run.saw(/terminating/, 'stderr')
      run.child.kill('SIGINT')
    }
    t.equal((await run.ended).code, ends ? 0 : 130)
    t.notMatch(run.stderr(), /^error/m)
  })

  t.test(
    `${name}: rendered anew, it is read alike`,
    { skip: capability(command[0]) },
    async t => {
      const [program, ...rest] = command
      const linesOf = (text: string) => {
        const { findings, objects } = readManifest(text, 'f', {
          namespace: 'default',
        })
        return [...findings.map(formatFinding), ...objects.map(keyOf)]
      }
      t.strictSame(
        linesOf(execFileSync(program, rest, { encoding: 'utf8' })),
        linesOf(readFileSync(renderedBy(name), 'utf8')),
      )
    },
  )
}

t.test('a chart that nobody has rendered', { skip }, async t => {
  const { code, stderr } = await podfs(t, ['run', '-f', `${charts}/shop`])
  t.equal(code, 1)
  t.match(
    stderr,
    /this is a template\n {2}podfs run --helm \S+\/charts\/shop \(live\), or helm template \S+\/shop \| podfs run -f - \(once\)\n/,
  )
})
