import t, { type Test } from 'tap'
import { isRoot } from '../helpers/capability.ts'
import { podfs, runtimeDirectory } from '../helpers/podfs.ts'

const root = isRoot ? '/srv/podfs' : `${runtimeDirectory}-root`

t.test('prints every setting, and who gave it', async t => {
  const cwd = t.testdir({
    'podfs.yaml': `clusterDomain: dev.local
images:
- pattern: web
  entrypoint: [node, "a b.js"]
`,
  })
  const { code, stdout, stderr } = await podfs(
    t,
    ['config', 'view', '--log-level', 'info'],
    { cwd, env: { PODFS_FUSE_ANSWER_OPENS: 'true' } },
  )
  t.equal(code, 0, stderr)
  t.equal(
    stdout,
    `logLevel: info                                                     # --log-level
clusterDomain: dev.local                                           # podfs.yaml:1
serviceAccountIssuer: https://kubernetes.default.svc.cluster.local # default
backend: fuse                                                      # default
fuse:
  answerOpens: true                                                # PODFS_FUSE_ANSWER_OPENS
ageKeyFile: ""                                                     # default
images:                                                            # podfs.yaml:3
  - pattern: web
    entrypoint:
      - node
      - a b.js
backoffScale: 1                                                    # default
network: host                                                      # default
cni:
  confDir: ""                                                      # default
  binDirs:                                                         # default
    - /opt/cni/bin
    - /usr/lib/cni
    - /usr/libexec/cni
serviceSubnet: ""                                                  # default
logStorage: memory                                                 # default
containerLogMaxSize: 10Mi                                          # default
containerLogMaxFiles: 5                                            # default
hostDirectories:                                                   # default
  - /*
privileged: allow                                                  # default
allowedUnsafeSysctls: []                                           # default
node:
  labels: {}                                                       # default
  taints: []                                                       # default
${`root: ${root}`.padEnd(66)} # default
access: owner                                                      # default
run: annotated                                                     # default
sources:
  namespace: default                                               # default
  manifests: []                                                    # default
  kustomizations: []                                               # default
  charts: []                                                       # default
  configMaps: []                                                   # default
  secrets: []                                                      # default
`.replaceAll(/ # /g, '  # '),
  )
  t.test('which podfs reads back', async t => {
    const again = t.testdir({ 'podfs.yaml': stdout })
    const { stdout: view } = await podfs(t, ['config', 'view', '-o', 'json'], {
      cwd: again,
    })
    t.match(JSON.parse(view), [
      { setting: 'logLevel', value: 'info', origin: 'podfs.yaml:1' },
      { setting: 'clusterDomain', value: 'dev.local' },
      { setting: 'serviceAccountIssuer' },
      { setting: 'backend', value: 'fuse' },
      { setting: 'fuse.answerOpens', value: true, origin: 'podfs.yaml:6' },
      { setting: 'ageKeyFile', value: '' },
      { setting: 'images', value: [{ pattern: 'web' }] },
      { setting: 'backoffScale', value: 1 },
      { setting: 'network', value: 'host' },
      { setting: 'cni.confDir', value: '' },
      {
        setting: 'cni.binDirs',
        value: ['/opt/cni/bin', '/usr/lib/cni', '/usr/libexec/cni'],
      },
      { setting: 'serviceSubnet', value: '' },
      { setting: 'logStorage', value: 'memory' },
      { setting: 'containerLogMaxSize', value: '10Mi' },
      { setting: 'containerLogMaxFiles', value: 5 },
      { setting: 'hostDirectories', value: ['/*'] },
      { setting: 'privileged', value: 'allow' },
      { setting: 'allowedUnsafeSysctls', value: [] },
      { setting: 'node.labels', value: {} },
      { setting: 'node.taints', value: [] },
      { setting: 'root', value: root },
      { setting: 'access' },
      { setting: 'run' },
      { setting: 'sources.namespace' },
      { setting: 'sources.manifests', value: [] },
      { setting: 'sources.kustomizations', value: [] },
      { setting: 'sources.charts', value: [] },
      { setting: 'sources.configMaps', value: [] },
      { setting: 'sources.secrets', value: [] },
    ])
  })
})

t.test('shows what counts for the flags of podfs serve', async t => {
  const cwd = t.testdir({ 'podfs.yaml': 'root: /mnt\nrun: none\n' })
  const flags = '--root /tmp/r --access everybody --run all -n shop -f a b'
  const view = async (args: readonly string[]) =>
    await podfs(t, ['config', 'view', '-o', 'json', ...args], { cwd })
  const { code, stdout, stderr } = await view(flags.split(' '))
  t.equal(code, 0, stderr)
  t.strictSame(
    (JSON.parse(stdout) as { setting: string; origin: string }[]).filter(
      ({ origin }) => origin !== 'default',
    ),
    [
      { setting: 'root', value: '/tmp/r', origin: '--root' },
      { setting: 'access', value: 'everybody', origin: '--access' },
      { setting: 'run', value: 'all', origin: '--run' },
      { setting: 'sources.namespace', value: 'shop', origin: '-n' },
      { setting: 'sources.manifests', value: ['a', 'b'], origin: '-f' },
    ],
  )
  t.match(await view(['-f', '-']), {
    code: 2,
    stderr: 'error: serve reads files: standard input ends',
  })
  t.match(await view(['a']), { code: 2, stderr: 'config takes one word' })
})

async function checkMistake(
  t: Test,
  yaml: string,
  error: string,
): Promise<string> {
  const cwd = t.testdir({ 'podfs.yaml': yaml })
  const { code, stdout, stderr } = await podfs(t, ['config', 'view'], { cwd })
  t.equal(code, 2)
  t.equal(stdout, '')
  t.equal(stderr, error)
  return cwd
}

t.test('a mistake is one line, and exit code 2', async t => {
  await checkMistake(
    t,
    'backand: dir\n',
    'error: podfs.yaml:1:1: backand: no such setting; did you mean backend?\n',
  )
})

t.test('a group that this machine does not have', async t => {
  const cwd = await checkMistake(
    t,
    'run: none\naccess: group:no-such-group\n',
    'error: podfs.yaml:2:9: access: no group no-such-group on this machine\n  groupadd no-such-group\n',
  )
  const over = ['config', 'view', '--access', 'owner']
  t.match(await podfs(t, over, { cwd }), { code: 0 }, 'a flag wins')
})

t.test('a variable that is no setting is a warning', async t => {
  const cwd = t.testdir({})
  const env = {
    PODFS_ROOOT: '/x',
    PODFS_IMAGES: 'x',
    PODFS_FOO: 'x',
    PODFS_CONFIG: '',
    PODFS_NODE: 'node',
    PODFS_TEST_ANYTHING: '1',
    PODFS_ROOT: '/y',
  }
  const warnings =
    'warning: PODFS_ROOOT: no such setting; did you mean PODFS_ROOT?\n' +
    'warning: PODFS_IMAGES: can only be set in podfs.yaml\n' +
    'warning: PODFS_FOO: no such setting\n'
  const view = await podfs(t, ['config', 'view'], { cwd, env })
  t.match(view, { code: 0, stderr: warnings })
  t.equal(view.stderr, warnings)
  const serve = await podfs(t, ['serve', '--run', 'some'], { cwd, env })
  t.equal(serve.code, 2)
  // An ordinary user's podfs has been started again by a shell, in whose order they are.
  for (const line of warnings.trimEnd().split('\n')) t.match(serve.stderr, line)
})

t.test('another word than view', async t => {
  const { code, stderr } = await podfs(t, ['config', 'show'])
  t.equal(code, 2)
  t.equal(stderr, 'error: unknown command "config show"\n  podfs config view\n')
})
