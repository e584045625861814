import { chmod, copyFile, mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { readSecurityModules } from '../../src/linux/security-modules.ts'
import { cannotStart } from '../helpers/capability.ts'
import { isFilteredArch } from '../../src/runner/sandbox/seccomp/syscall-numbers.ts'
import { container, list, object, writer } from '../helpers/conformance-pod.ts'
import { podfs, startPodfs } from '../helpers/podfs.ts'

/*
 * What a security context makes of a container (C315 to C337): one run of many Pods, whose
 * containers say who they are and what they can do.
 */

const identity = 'echo is $(id -u) $(id -g) $(id -G)'
const waits = `trap 'exit 0' TERM; sleep 1000 & wait`
const nobody = 65534
/** Of the machine's shared memory: no other run of this test has it. */
const marker = `podfs-shm-${process.pid}`

/** A Pod of one container. */
const pod = (name: string, script: string, own: object, ofPod: object = {}) =>
  object.pod(
    { name },
    {
      ...ofPod,
      containers: [container('c', script, { securityContext: own })],
    },
  )

const writes = ['/', '/etc', '/usr', '/var', '/run', '/tmp', '/home', '/sys']
  .map(
    place =>
      `(echo x > ${place}/podfs-file) 2>&1 | grep -o 'Read-only' || echo ${place}`,
  )
  .join('; ')

const pods = (suid: string) => [
  pod('uid-65534', identity, { runAsUser: nobody }),
  pod('uid-0', identity, { runAsUser: 0 }),
  pod('uid-1000', identity, { runAsNonRoot: true, runAsUser: 1000 }),
  pod('explicit-root', identity, { runAsNonRoot: true, runAsUser: 0 }),
  pod('image-root', identity, { runAsNonRoot: true }),
  object.pod(
    { name: 'image-user' },
    {
      containers: [
        {
          ...container('c', identity, {
            securityContext: { runAsNonRoot: true },
          }),
          image: 'of-a-user',
        },
        {
          ...container('named', identity, {
            securityContext: { runAsNonRoot: true },
          }),
          image: 'of-a-name',
        },
      ],
    },
  ),
  pod(
    'groups',
    identity,
    {},
    {
      securityContext: {
        runAsUser: 1000,
        fsGroup: 4321,
        supplementalGroups: [1234, 5678],
      },
    },
  ),
  pod(
    'filtered',
    `echo mode $(sed -n 's/^Seccomp:.//p' /proc/self/status)
    unshare --mount true 2>&1 | grep -o 'not permitted'`,
    { seccompProfile: { type: 'RuntimeDefault' } },
  ),
  pod('unfiltered', `echo mode $(sed -n 's/^Seccomp:.//p' /proc/self/status)`, {
    seccompProfile: { type: 'Unconfined' },
  }),
  pod('pod-user', identity, {}, { securityContext: { runAsUser: 1001 } }),
  pod(
    'pod-group',
    identity,
    {},
    {
      securityContext: { runAsUser: 1001, runAsGroup: 2002 },
    },
  ),
  pod(
    'own-user',
    identity,
    { runAsUser: 1002 },
    {
      securityContext: { runAsUser: 1001 },
    },
  ),
  pod(
    'own-group',
    identity,
    { runAsUser: 1002, runAsGroup: 3003 },
    {
      securityContext: { runAsUser: 1001, runAsGroup: 2002 },
    },
  ),
  object.pod(
    { name: 'root-fs' },
    {
      containers: [
        container(
          'closed',
          `echo can $( ${writes}); echo file > /file
          for place in /volume /dev /dev/shm; do echo x > $place/file && echo wrote $place; done`,
          {
            securityContext: { readOnlyRootFilesystem: true },
            volumeMounts: [{ name: 'volume', mountPath: '/volume' }],
          },
        ),
        container(
          'open',
          'for place in / /etc /usr /var /run /tmp; do echo x > $place/podfs-file && echo wrote $place; done',
          { securityContext: { readOnlyRootFilesystem: false } },
        ),
      ],
      volumes: [{ name: 'volume', emptyDir: {} }],
    },
  ),
  object.pod(
    { name: 'escalation' },
    {
      securityContext: { runAsUser: 1000 },
      containers: [
        ['unsaid', {}],
        ['allowed', { allowPrivilegeEscalation: true }],
        ['denied', { allowPrivilegeEscalation: false }],
      ].map(([name, securityContext]) =>
        container(name as string, 'echo Effective uid: $(/suid/id -u)', {
          securityContext,
          volumeMounts: [{ name: 'suid', mountPath: '/suid' }],
        }),
      ),
      volumes: [{ name: 'suid', hostPath: { path: suid } }],
    },
  ),
  object.pod(
    { name: 'kernel' },
    {
      containers: [
        container(
          'usual',
          `echo sees $(cat /proc/timer_list /proc/keys | wc -c) $(ls /sys/firmware | wc -l)
          for file in /proc/sys/kernel/hostname /proc/irq/default_smp_affinity /sys/kernel/mm/ksm/run
          do (echo x > $file) 2>&1 | grep -o 'Read-only'; done`,
        ),
        container('mighty', "echo covers $(grep -c ' /proc/' /proc/mounts)", {
          securityContext: { privileged: true },
        }),
      ],
    },
  ),
  object.pod(
    { name: 'memory' },
    {
      containers: [
        container(
          'writer',
          `echo has $(ls -A /tmp /dev/shm | grep -c '^podfs-')
          echo tmp $(stat -c %a /tmp /dev/shm) $(df -k /dev/shm | grep -o 65536)
          echo x > /tmp/podfs-file; echo shared > /dev/shm/podfs-file; ${waits}`,
        ),
        container(
          'reader',
          `until [ -s /dev/shm/podfs-file ]; do sleep 0.05; done
          echo reads $(cat /dev/shm/podfs-file) $(ls -A /tmp | grep -c '^podfs-'); ${waits}`,
        ),
      ],
    },
  ),
  pod('machines-memory', `cat /dev/shm/${marker}`, {}, { hostIPC: true }),
  pod(
    'safe-sysctl',
    'echo $(cat /proc/sys/kernel/shm_rmid_forced)',
    {},
    {
      securityContext: {
        sysctls: [
          { name: 'kernel.shm_rmid_forced', value: '1' },
          { name: 'net.ipv4.tcp_syncookies', value: '1' },
        ],
      },
    },
  ),
  pod(
    'allowed-sysctl',
    'echo $(cat /proc/sys/kernel/msgmnb)',
    {},
    {
      shareProcessNamespace: true,
      securityContext: { sysctls: [{ name: 'kernel/msgmnb', value: '12345' }] },
    },
  ),
  pod(
    'unsafe-sysctl',
    'true',
    {},
    {
      securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '65536' }] },
    },
  ),
  pod('no-account', 'getent passwd $(id -u); id -un', { runAsUser: 54321 }),
  pod('no-such-profile', 'true', {
    appArmorProfile: { type: 'Localhost', localhostProfile: 'podfs-none' },
  }),
  pod(
    'default-profile',
    'echo is $(cat /proc/self/attr/current 2>/dev/null || echo unconfined)',
    {
      appArmorProfile: { type: 'RuntimeDefault' },
      seLinuxOptions: { level: 's0:c123,c456' },
    },
  ),
]

t.test('security contexts', { skip: cannotStart() }, async t => {
  const dir = t.testdir()
  const suid = path.join(dir, 'suid')
  await mkdir(suid)
  await copyFile('/usr/bin/id', path.join(suid, 'id'))
  await chmod(path.join(suid, 'id'), 0o4755)
  await writeFile(`/dev/shm/${marker}`, 'of the machine\n')
  t.teardown(() => rm(`/dev/shm/${marker}`, { force: true }))
  await writer(dir)('pods.json', list(pods(suid)))
  const config = path.join(dir, 'podfs.yaml')
  await writeFile(
    config,
    JSON.stringify({
      images: [
        { pattern: 'of-a-user', entrypoint: ['true'], user: '1003' },
        { pattern: 'of-a-name', entrypoint: ['true'], user: 'www-data' },
      ],
      allowedUnsafeSysctls: ['kernel.msgmn*'],
    }),
  )
  const run = startPodfs(t, [
    'run',
    '--all',
    '--config',
    config,
    '-f',
    path.join(dir, 'pods.json'),
  ])
  const says = async (who: string, what: string): Promise<string> => {
    const [, said = ''] = await run.saw(
      new RegExp(`^${who.includes('/') ? who : `${who}/c`} +\\| ${what}$`, 'm'),
    )
    return said
  }
  const isAs = async (who: string, what: string): Promise<void> => {
    await says(who, `is (${what})`)
  }
  const refused = async (who: string, why: string): Promise<void> => {
    await run.saw(
      new RegExp(`"pod":"${who}","reason":"Failed","message":"Error: ${why}`),
      'stderr',
    )
  }

  await t.test('C315: runAsUser 65534', () => isAs('uid-65534', '65534 0 0'))
  await t.test('C316: uid 0', () => isAs('uid-0', '0 0 0'))
  await t.test('C317: a user that is not root', () =>
    isAs('uid-1000', '1000 0 0'),
  )
  await t.test('C318: not as an explicit root', () =>
    refused('explicit-root', "container's runAsUser breaks non-root policy"),
  )
  await t.test('C319: not as the image’s root', () =>
    refused('image-root', 'container has runAsNonRoot and image will run as'),
  )
  await t.test('C320: as the user of the image', async () => {
    await isAs('image-user/c', '1003 0 0')
    await refused(
      'image-user',
      String.raw`container has runAsNonRoot and image has non-numeric user \(www-data\), cannot`,
    )
  })
  await t.test('C328: supplementalGroups', () =>
    isAs('groups', '1000 0 0 1234 4321 5678'),
  )
  await t.test('C329: the Pod’s runAsUser', () => isAs('pod-user', '1001 0 0'))
  await t.test('C330: the Pod’s runAsUser and runAsGroup', () =>
    isAs('pod-group', '1001 2002 2002'),
  )
  await t.test('C331: the container’s runAsUser', () =>
    isAs('own-user', '1002 0 0'),
  )
  await t.test('C332: the container’s runAsUser and runAsGroup', () =>
    isAs('own-group', '1002 3003 3003'),
  )
  await t.test(
    'C333: seccompProfile RuntimeDefault',
    { skip: !isFilteredArch(process.arch) && 'no filter for this processor' },
    async t => {
      await says('filtered', 'mode (2)')
      await says('filtered', '(not permitted)')
      await says('unfiltered', 'mode (0)')
      t.notMatch(run.stderr(), 'seccompProfile is not enforced')
    },
  )
  await t.test('C321: readOnlyRootFilesystem', async () => {
    await says('root-fs/closed', 'can (Read-only( Read-only){7})')
    for (const place of ['/volume', '/dev', '/dev/shm'])
      await says('root-fs/closed', `wrote (${place})`)
  })
  await t.test('C322: a root that can be written', async () => {
    for (const place of ['/', '/etc', '/usr', '/var', '/run', '/tmp'])
      await says('root-fs/open', `wrote (${place})`)
  })
  await t.test('C334: what a shell says of a read-only root', async () => {
    await run.saw(
      /^root-fs\/closed +\| .*can't create \/file: Read-only file system$/m,
      'stderr',
    )
  })
  await t.test('C325: allowPrivilegeEscalation: false', () =>
    says('escalation/denied', '(Effective uid: 1000)'),
  )
  await t.test('C326: allowPrivilegeEscalation unsaid', () =>
    says('escalation/unsaid', '(Effective uid: 0)'),
  )
  await t.test('C327: allowPrivilegeEscalation: true', () =>
    says('escalation/allowed', '(Effective uid: 0)'),
  )
  await t.test('/proc and /sys are covered, and read-only', async t => {
    await says('kernel/usual', '(sees 0 0)')
    await run.saw(/(^kernel\/usual +\| Read-only\n(?:.*\n)*?){3}/m)
    await says('kernel/mighty', '(covers 0)')
    t.match(run.stderr(), 'privileged: mighty can do on this machine')
  })
  await t.test('/tmp and /dev/shm', async () => {
    await says('memory/writer', '(has 0)')
    await says('memory/writer', '(tmp 1777 1777 65536 65536)')
    await says('memory/reader', '(reads shared 0)')
    await says('machines-memory', '(of the machine)')
  })
  await t.test('C335: sysctls', async t => {
    await says('safe-sysctl', '(1)')
    await says('allowed-sysctl', '(12345)')
    t.match(run.stderr(), 'stay as they are: net.ipv4.tcp_syncookies')
  })
  await t.test('C337: a sysctl that is not allowed', async () => {
    await run.saw(
      /Pod default\/unsafe-sysctl has failed: Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted/,
      'stderr',
    )
  })
  await t.test('a user without an account', async () => {
    await says('no-account', '54321:x:54321:0:container user:/:/sbin/nologin()')
    await says('no-account', '(54321)')
  })
  await t.test('AppArmor', async () => {
    const { appArmor, seLinux } = readSecurityModules()
    if (appArmor === undefined)
      await run.saw(
        /Pod default\/no-such-profile has failed: Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host/,
        'stderr',
      )
    else await refused('no-such-profile', '.* profile not found podfs-none')
    if (appArmor === undefined)
      await run.saw(
        /RuntimeDefault has no effect on c: .* no AppArmor/,
        'stderr',
      )
    if (seLinux === undefined) await says('default-profile', 'is (.+)')
  })
  run.child.kill('SIGTERM')
  await run.ended
})

t.test('C336: names of no sysctl', async t => {
  const dir = t.testdir()
  const names = ['foo-', 'kernel.shmmax', 'safe-and-unsafe', 'bar..']
  const sysctls = names.map(name => ({ name, value: '42' }))
  const bad = pod('bad', 'true', {}, { securityContext: { sysctls } })
  await writer(dir)('pod.json', bad)
  const { code, stderr, stdout } = await podfs(t, [
    'validate',
    '-f',
    path.join(dir, 'pod.json'),
  ])
  t.equal(code, 1)
  const said = stdout + stderr
  for (const [i, name] of names.entries())
    t.equal(
      said.includes(`spec.securityContext.sysctls[${i}].name: Invalid value`),
      name === 'foo-' || name === 'bar..',
      name,
    )
})
