import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { cannotStart, needsRoot } from '../helpers/capability.ts'
import {
  container,
  list,
  lookFromPod,
  object,
  volume,
  writer,
  type Look,
} from '../helpers/conformance-pod.ts'
import {
  eventually,
  podfs,
  startPodfs,
  stateDirectory,
} from '../helpers/podfs.ts'

/* emptyDir, and many managed volumes beside each other (C152 to C175), on a real Pod. */

const nonRoot = 1001
const listings = {
  '0644': '-rw-r--r--',
  '0666': '-rw-rw-rw-',
  '0777': '-rwxrwxrwx',
} as const
const medium = (name: 'tmpfs' | 'default') =>
  volume.emptyDir(name === 'tmpfs' ? { medium: 'Memory' } : {})

/** A file that its creator gives a mode, as the e2e tests' (root,0644,tmpfs). */
function newFile(
  ids: string,
  as: number | undefined,
  mode: keyof typeof listings,
  on: 'tmpfs' | 'default',
): Look {
  return {
    ids,
    what: `(${as === undefined ? 'root' : 'non-root'},${mode},${on})`,
    ...(as !== undefined && { as }),
    volumes: [medium(on)],
    see: `echo mount-tester new file > $V/test-file && chmod ${mode} $V/test-file; stat -c '%A %u' $V/test-file; cat $V/test-file; stat -f -c %T $V | grep -c tmpfs`,
    expect: `${listings[mode]} ${as ?? 0}\nmount-tester new file\n${on === 'tmpfs' ? 1 : 0}\n`,
  }
}

t.test('emptyDir', { skip: cannotStart() }, async t => {
  const shared = { name: 'shared', ...volume.emptyDir() }
  await lookFromPod(t, {
    objects: [
      object.configMap('config', { key: 'of a ConfigMap' }),
      object.secret('secret', { key: 'of a Secret' }),
    ],
    looks: [
      {
        ids: 'C152',
        what: 'medium Memory: 0777, on a tmpfs',
        volumes: [medium('tmpfs')],
        see: 'stat -c "%A %a" $V; stat -f -c %T $V',
        expect: 'drwxrwxrwt 1777\ntmpfs\n',
      },
      {
        ids: 'C165',
        what: 'on the disk: 0777',
        volumes: [medium('default')],
        see: 'stat -c "%A %u:%g" $V',
        expect: 'drwxrwxrwx 0:0\n',
      },
      newFile('C153', undefined, '0644', 'tmpfs'),
      newFile('C154', undefined, '0644', 'default'),
      newFile('C155', undefined, '0666', 'tmpfs'),
      newFile('C156', undefined, '0666', 'default'),
      newFile('C157', undefined, '0777', 'tmpfs'),
      newFile('C158', undefined, '0777', 'default'),
      newFile('C159', nonRoot, '0644', 'tmpfs'),
      newFile('C160', nonRoot, '0644', 'default'),
      newFile('C161', nonRoot, '0666', 'tmpfs'),
      newFile('C162', nonRoot, '0666', 'default'),
      newFile('C163', nonRoot, '0777', 'tmpfs'),
      newFile('C164', nonRoot, '0777', 'default'),
      {
        ids: 'C166',
        what: 'shared between containers',
        see: 'until [ -s /usr/share/volumeshare/shareddata.txt ]; do sleep 0.02; done; cat /usr/share/volumeshare/shareddata.txt',
        expect: 'Hello from the other\n',
      },
      {
        ids: 'C167',
        what: 'medium Memory with a sizeLimit is that large, and no larger',
        volumes: [volume.emptyDir({ medium: 'Memory', sizeLimit: '10Mi' })],
        see: `df -k $V | tail -1 | awk '{print $2}'; head -c 20000000 /dev/zero 2>/dev/null > $V/file || wc -c < $V/file`,
        expect: /^10240\n.*10485760\n$/s,
      },
      {
        ids: 'C174',
        what: 'a Secret and a ConfigMap beside each other',
        volumes: [volume.secret('secret'), volume.configMap('config')],
        see: 'cat $V/key; echo; cat $W/key',
        expect: 'of a Secret\nof a ConfigMap',
      },
    ],
    mounts: [{ name: 'shared', mountPath: '/usr/share/volumeshare' }],
    spec: { volumes: [shared] },
    containers: [
      container(
        'writer',
        'echo Hello from the other > /pod-data/shareddata.txt',
        { volumeMounts: [{ name: 'shared', mountPath: '/pod-data' }] },
      ),
    ],
  })
})

t.test('emptyDir with fsGroup', { skip: cannotStart() }, async t => {
  const created = (ids: string, as?: number): Look => ({
    ids,
    what: `a file that ${as === undefined ? 'root' : 'another user'} creates is the group's`,
    ...(as !== undefined && { as }),
    volumes: [medium('tmpfs')],
    see: `umask 0117; echo x > $V/file; stat -c '%a %u:%g' $V/file`,
    expect: `660 ${as ?? 0}:123\n`,
  })
  await lookFromPod(t, {
    spec: { securityContext: { fsGroup: 123 } },
    looks: [
      created('C168'),
      created('C169', nonRoot),
      {
        ids: 'C170',
        what: 'a subPath that is made: 0777, setgid and sticky, of the group',
        volumes: [medium('tmpfs')],
        mount: { subPath: 'test-sub' },
        see: 'stat -c "%A %a %u:%g" $V',
        expect: 'drwxrwsrwt 3777 0:123\n',
      },
      {
        ...newFile('C171', undefined, '0644', 'tmpfs'),
        what: '(root,0644,tmpfs): 0644 stays 0644',
      },
      {
        ids: 'C172',
        what: 'on the disk: 0777, setgid, of the group',
        volumes: [medium('default')],
        see: 'stat -c "%A %u:%g" $V',
        expect: 'drwxrwsrwx 0:123\n',
      },
      {
        ids: 'C173',
        what: 'medium Memory: 0777, setgid, of the group',
        volumes: [medium('tmpfs')],
        see: 'stat -c "%A %u:%g" $V',
        expect: 'drwxrwsrwt 0:123\n',
      },
    ],
  })
})

t.test(
  'an emptyDir lives as long as its Pod',
  { skip: cannotStart() || needsRoot('machine') },
  async t => {
    const dir = t.testdir()
    await writer(dir)(
      'pod.json',
      object.pod(
        {},
        {
          restartPolicy: 'Always',
          containers: [
            container(
              'main',
              `trap 'exit 0' TERM
[ -e /memory/file ] && { echo "kept $(cat /memory/file /disk/file)"; sleep 1000 & wait; }
echo one > /memory/file; echo two > /disk/file; exit 1`,
              {
                volumeMounts: [
                  { name: 'memory', mountPath: '/memory' },
                  { name: 'disk', mountPath: '/disk' },
                ],
              },
            ),
          ],
          volumes: [
            { name: 'memory', ...medium('tmpfs') },
            { name: 'disk', ...medium('default') },
          ],
        },
      ),
    )
    const ofSession = (pid: number): string => `run-${pid}/`
    const mounts = async (pid: number): Promise<string[]> =>
      (await readFile('/proc/self/mounts', 'utf8'))
        .split('\n')
        .filter(line => line.includes(ofSession(pid)))
    const onDisk = (pid: number): boolean =>
      readdirSync(`${stateDirectory}/empty-dir`).some(name =>
        name.endsWith(`-run-${pid}`),
      )

    for (const signal of ['SIGTERM', 'SIGKILL'] as const)
      await t.test(`until ${signal}`, async t => {
        const run = startPodfs(t, ['run', '-f', dir])
        await run.saw(/^main \| kept one\nmain \| two$/m)
        t.ok(onDisk(run.pid))
        t.ok((await mounts(run.pid)).some(line => line.includes(' tmpfs ')))
        // One that has the same disk, and does not see this session.
        const own =
          'mount -t tmpfs -o mode=700 podfs-test /run/podfs && exec "$@"'
        await podfs(t, ['run', '-f', '-'], {
          input: 'kind: none',
          wrapper: ['unshare', '--mount', 'sh', '-c', own, 'sh'],
        })
        t.ok(onDisk(run.pid), 'stays')
        run.child.kill(signal)
        await run.ended
        await eventually(async () => (await mounts(run.pid)).length === 0)
        // What is on the disk after a kill -9 goes with the next one's start.
        if (signal === 'SIGKILL')
          await podfs(t, ['run', '-f', '-'], { input: 'kind: none' })
        t.notOk(onDisk(run.pid))
      })
  },
)

t.test('a medium that podfs has not', { skip: cannotStart() }, async t => {
  const input = JSON.stringify(
    object.pod(
      {},
      {
        containers: [
          container('main', 'echo started', {
            volumeMounts: [
              { name: 'huge', mountPath: '/huge' },
              { name: 'tape', mountPath: '/tape' },
            ],
          }),
        ],
        volumes: [
          { name: 'huge', ...volume.emptyDir({ medium: 'HugePages-2Mi' }) },
          { name: 'tape', ...volume.emptyDir({ medium: 'Tape' }) },
        ],
      },
    ),
  )
  const run = startPodfs(t, ['run', '-v', '-f', '-'], { input })
  for (const word of ['HugePages-2Mi', 'Tape'])
    await run.saw(
      new RegExp(
        `volumes\\[\\d\\]: MountVolume.SetUp failed for volume "\\w+" : unknown storage medium "${word}"$`,
        'm',
      ),
      'stderr',
    )
  run.child.kill('SIGTERM')
  const { stdout, stderr } = await run.ended
  t.equal(stdout, '')
  t.match(stderr, /volumes\[0\]\.emptyDir\.medium: podfs gives no huge pages/)
})

t.test(
  'C175: 5 Pods with 50 ConfigMap volumes',
  { skip: cannotStart() },
  async t => {
    const dir = t.testdir()
    const names = Array.from({ length: 50 }, (_, i) => `config-${i}`)
    await writer(dir)(
      'objects.json',
      list(names.map(name => object.configMap(name, { data: name }))),
    )
    const pods = ['a', 'b', 'c', 'd', 'e']
    for (const pod of pods)
      await writer(dir)(
        `pod-${pod}.json`,
        object.pod(
          { name: pod },
          {
            containers: [
              container('main', 'cat /v/*/data | tr -d "\\n" | wc -c', {
                volumeMounts: names.map(name => ({
                  name,
                  mountPath: `/v/${name}`,
                })),
              }),
            ],
            volumes: names.map(name => ({ name, ...volume.configMap(name) })),
          },
        ),
      )
    const { code, stdout, stderr } = await podfs(t, ['run', '-f', dir, '--all'])
    t.equal(code, 0)
    t.strictSame(
      stdout.trim().split('\n').sort(),
      pods.map(pod => `${pod}/main | ${names.join('').length}`),
    )
    t.notMatch(stderr, /error|MountVolume/)
  },
)
