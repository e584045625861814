/*
 * What can be said of the units without starting them; test/systemd/booted.test.ts does that.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { cannotStart, capability, needsRoot } from '../helpers/capability.ts'
import { podfs, startPodfs } from '../helpers/podfs.ts'

const skip = capability('systemd-analyze')
const systemUnits = ['podfs.service', 'podfs-mount@.service']

/** The unit, with a program that is there. */
function unitFile(t: Test, name: string): string {
  const text = readFileSync(path.join('systemd', name), 'utf8')
  const file = path.join(t.testdir({}), path.basename(name))
  writeFileSync(file, text.replaceAll('/usr/local/bin/podfs', process.execPath))
  return file
}

/** By systemd 254; to one before it they are a line in the log. */
const knownLater = ['DelegateSubgroup']

for (const name of [...systemUnits, 'user/podfs.service'])
  t.test(`${name} is clean`, { skip }, async t => {
    // Not below the clone: the paths of a user's sockets are in it, and a socket's path ends at
    // 107 bytes.
    const runtimeDirectory = mkdtempSync('/tmp/podfs-user-')
    t.teardown(() => rmSync(runtimeDirectory, { recursive: true }))
    const { status, stderr } = spawnSync(
      'systemd-analyze',
      [
        name.startsWith('user/') ? '--user' : '--system',
        'verify',
        '--man=no',
        unitFile(t, name),
      ],
      {
        encoding: 'utf8',
        env: { ...process.env, XDG_RUNTIME_DIR: runtimeDirectory },
      },
    )
    const unknown = stderr.split('\n').filter(line => line !== '')
    const isLater = (line: string): boolean =>
      knownLater.some(key =>
        new RegExp(`Unknown key( name)? '${key}'`).test(line),
      )
    t.same(
      unknown.filter(line => !isLater(line)),
      [],
    )
    t.equal(status, 0)
  })

for (const name of systemUnits)
  t.test(`${name} has an exposure below 4.0`, { skip }, async t => {
    const shown = execFileSync(
      'systemd-analyze',
      ['security', '--offline=true', unitFile(t, name)],
      { encoding: 'utf8' },
    )
    const [, exposure] = /Overall exposure level.*: ([\d.]+)/.exec(shown) ?? []
    t.ok(Number(exposure) < 4, `it is ${exposure}`)
  })

/** systemd.exec(5): each makes a mount namespace that is a slave of the host's. */
const makesMountNamespace =
  /^(PrivateMounts|ProtectSystem|ProtectHome|PrivateTmp|PrivateDevices|PrivateUsers|PrivateIPC|ProtectProc|ProcSubset|ProtectKernel\w+|ProtectControlGroups|ProtectHostname|Root\w+|DynamicUser|\w+Paths|TemporaryFileSystem|\w+Images|LogNamespace|MountFlags)=(?!no$)/m
for (const name of [...systemUnits, 'run-pods.conf', 'user/podfs.service'])
  t.test(`${name} leaves podfs in the machine's mount namespace`, async t => {
    t.notMatch(
      readFileSync(path.join('systemd', name), 'utf8'),
      makesMountNamespace,
    )
  })

t.test('the two system units have the same hardening', async t => {
  const directives = (name: string): string[] =>
    readFileSync(path.join('systemd', name), 'utf8')
      .split('\n')
      .filter(line => /^(?!Exec|Env|Desc|Doc)\w+=/.test(line))
      .sort()
  t.same(directives('podfs-mount@.service'), directives('podfs.service'))
})

t.test(
  'a mount in a mount namespace that is a slave is seen by nobody',
  { skip: cannotStart() || needsRoot('mount') },
  async t => {
    for (const propagation of ['slave', 'unchanged']) {
      const dir = t.testdir({ conf: { colour: 'blue' }, mnt: {} })
      const mountpoint = path.join(dir, 'mnt')
      const wrapper = (inner: string): string[] => [
        'unshare',
        '--mount',
        '--propagation',
        inner,
        '--',
      ]
      // This machine's own namespace may be private: one that is shared, and the unit's in it.
      const run = startPodfs(t, ['mount', path.join(dir, 'conf'), mountpoint], {
        wrapper: [
          ...wrapper('shared'),
          'sh',
          '-c',
          'echo $$ >"$0"/outer; "$@" & wait $!',
          dir,
          ...wrapper(propagation),
        ],
      })
      await run.saw(/ready/)
      const outer = readFileSync(path.join(dir, 'outer'), 'utf8').trim()
      t.same(
        readdirSync(`/proc/${outer}/root${mountpoint}`).filter(
          name => !name.startsWith('..'),
        ),
        propagation === 'slave' ? [] : ['colour'],
        propagation,
      )
      t.equal((await podfs(t, ['unmount', mountpoint])).code, 0)
      await run.ended
    }
  },
)

t.test(
  'what the units leave of capabilities is enough',
  { skip: cannotStart() || needsRoot('machine') || capability('setpriv') },
  async t => {
    const unit = readFileSync('systemd/podfs.service', 'utf8')
    const [, names = ''] = /^CapabilityBoundingSet=(.*)$/m.exec(unit) ?? []
    const kept = names.split(' ').map(name => name.slice('CAP_'.length))
    t.ok(kept.includes('SYS_ADMIN'))
    const set = ['-all', ...kept.map(name => `+${name.toLowerCase()}`)].join()
    const dir = t.testdir({
      'pod.yaml': `apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  securityContext: {fsGroup: 1234, runAsUser: 1000}
  containers: [{name: web, image: busybox}]
  volumes:
    - name: all
      projected:
        sources:
          - downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
          - serviceAccountToken: {path: token}
`,
    })
    const mountpoint = path.join(dir, 'mnt')
    const run = startPodfs(
      t,
      ['mount', '-f', path.join(dir, 'pod.yaml'), mountpoint],
      {
        wrapper: [
          'setpriv',
          `--bounding-set=${set}`,
          `--inh-caps=${set}`,
          '--no-new-privs',
          '--',
        ],
      },
    )
    await run.saw(/ready/)
    t.equal(
      execFileSync('stat', ['-c', '%u %g %a', `${mountpoint}/all/..data/`], {
        encoding: 'utf8',
      }),
      '0 1234 2755\n',
      'fsGroup',
    )
    run.child.kill('SIGTERM')
    t.equal((await run.ended).code, 0)
  },
)
