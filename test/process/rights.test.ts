import { readFileSync, readdirSync, statSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  allCapabilities,
  type Capability,
} from '../../src/linux/capabilities.ts'
import type {
  ContainerLaunch,
  ContainerRights,
} from '../../src/runner/sandbox/container-runtime.ts'
import { findOnHost } from '../../src/linux/machine-tools.ts'
import {
  defaultRights,
  inRun,
  inVar,
  makeMount,
  makeSandbox,
  mayMount,
  needsMachinesRoot,
  needsRoot,
} from './sandbox.ts'

const never = new AbortController().signal
const rightsOf = (...capabilities: Capability[]): ContainerRights => ({
  privileged: false,
  capabilities,
})
const privileged = { privileged: true, capabilities: allCapabilities }

const own = BigInt(
  `0x${/^CapBnd:\s*(\w+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]}`,
)

/** As /proc/PID/status has them; what this test itself lacks nobody can have. */
function mask(capabilities: readonly Capability[]): string {
  const bits = capabilities
    .map(name => 1n << BigInt(allCapabilities.indexOf(name)))
    .reduce((all, bit) => all | bit, 0n)
  return (bits & own).toString(16).padStart(16, '0')
}

const status = "awk '/^Cap/ { print $2 }' /proc/self/status"

t.test('the rights of a container', { skip: needsRoot }, async t => {
  const none = mask([])
  const user = { uid: 1234, gid: 1234, supplementalGroups: [5] }
  const cases: [string, ContainerRights, ContainerLaunch['user']][] = [
    ['by default', defaultRights, undefined],
    ['of a user', defaultRights, user],
    ['of root without any', rightsOf(), undefined],
    ['of a user without any', rightsOf(), user],
    ['of root who is said to be root', rightsOf('KILL'), { ...user, uid: 0 }],
    ['when privileged', privileged, undefined],
    ['of a privileged user', privileged, user],
  ]
  for (const [name, rights, user] of cases)
    t.test(`${name}: the same for what is run in it`, async t => {
      const { start } = await makeSandbox(t)
      const bounding = mask(rights.capabilities)
      const effective = (user?.uid ?? 0) === 0 ? bounding : none
      const expected = [none, effective, effective, bounding, none]
      const read = await start(
        ['sh', '-c', `${status}; echo up; exec sleep 1000`],
        { rights, ...(user && { user }), workingDir: '/work' },
      )
      await read.says('up')
      t.same(read.output.split('\n').slice(0, 5), expected)
      const { output } = await read.container.exec(
        ['sh', '-c', `${status}; pwd; id -G`],
        never,
      )
      t.same(output.split('\n').slice(0, 5), expected)
      t.match(output, user ? '/work\n1234 5' : '/work\n0')
    })

  t.test('what it has changed does not run with more', async t => {
    const { start } = await makeSandbox(t)
    const spy = '#!/bin/sh\ngrep -h CapPrm /proc/self/status\n'
    // As the host's, wherever they are there.
    const replace = `for tool in setpriv unshare nsenter env; do
      path=$(command -v $tool); rm $path; printf '${spy}' > $path; chmod 755 $path
    done; echo up; while :; do sleep 1000; done`
    const read = await start(['sh', '-c', replace])
    await read.says('up')
    const { output } = await read.container.exec(['true'], never)
    const found = BigInt(`0x${/CapPrm:\s*(\w+)/.exec(output)?.[1] ?? 'none'}`)
    const allowed = [...defaultRights.capabilities, 'NET_BROADCAST'] as const
    t.equal(found & ~BigInt(`0x${mask(allowed)}`), 0n, output)
  })

  const attacks = [
    'mount -o remount,rw,bind /vol',
    'mount -o remount,rw /vol',
    'umount /vol',
    'umount -l /vol',
    'mkdir -p /mnt/rights; mount --bind /vol /mnt/rights; mount -o remount,rw,bind /mnt/rights',
  ].join('; ')
  const open = '(exec 3<>/vol/key) && echo OPENED; cat /vol/key'
  const mounters: [string, ContainerRights, string][] = [
    ['a container', defaultRights, `sh -c "${attacks}"; ${open}`],
    [
      'its user namespace',
      defaultRights,
      `unshare -Urm sh -c "${attacks}; ${open}"`,
    ],
    ['one that may mount', mayMount, `${attacks}; ${open}`],
    ['its mount namespace', mayMount, `unshare -m sh -c "${attacks}; ${open}"`],
    ['a privileged one', privileged, `${attacks}; ${open}`],
  ]
  for (const [name, rights, script] of mounters)
    t.test(`${name} cannot make a volume writable`, async t => {
      const { sh, directory } = await makeSandbox(t)
      await mkdir(`${directory}/vol`)
      await writeFile(`${directory}/vol/key`, 'value')
      const live = () => Promise.resolve(`${directory}/vol`)
      const mounts = [
        makeMount(`${directory}/vol`, '/vol', { readOnly: true, locate: live }),
      ]
      const { output } = await sh(`exec 2>&1; ${script}`, { rights, mounts })
      t.match(output, /value$/)
      t.notMatch(output, 'OPENED')
    })

  const hasIp = findOnHost('ip') !== undefined
  t.test('network links', { skip: !hasIp && 'needs ip' }, async t => {
    const { sh } = await makeSandbox(t)
    t.match(
      (await sh('ip link add podfs-test type dummy')).output,
      'Operation not permitted',
      'C323: run the container as unprivileged when false',
    )
    t.match(
      await sh('unshare --net ip link set lo up', { rights: privileged }),
      { exitCode: 0, output: '' },
      'C324: run the container as privileged when true',
    )
  })

  t.test('one that may mount does', async t => {
    const { sh } = await makeSandbox(t)
    t.match(
      await sh('mount -t tmpfs x /mnt && touch /mnt/file && umount /mnt', {
        rights: mayMount,
      }),
      { exitCode: 0, output: '' },
    )
  })

  await ownDirectories(t)
  await devices(t)
})

/** Directories of podfs's own, in an overlay, in /run, among the host's, and behind a link. */
/** Of this run: one that was killed may have left its own. */
const leak = `LEAK of ${process.pid};`

async function makeOwn(t: Test): Promise<readonly string[]> {
  const directories = await Promise.all(
    [inVar, inRun, '/tmp'].map(place => mkdtemp(join(place, 'podfs-test-'))),
  )
  const linked = `${directories[2]}/linked`
  const link = `${directories[0]}.link`
  await mkdir(linked)
  await symlink(linked, link)
  const own = [directories[0], directories[1], link] as string[]
  for (const directory of own) await writeFile(`${directory}/signing-key`, leak)
  t.teardown(async () => {
    for (const path of [link, ...directories])
      await rm(path, { recursive: true, force: true })
  })
  return own
}

async function ownDirectories(t: Test): Promise<void> {
  const attempts = [
    'for path in $OWN; do umount $path; umount $path; umount -l $path; done',
    'mkdir -p /mnt/b /mnt/r',
    `for path in / /run /var ${inVar} /tmp $OWN $PARENT; do mount --bind $path /mnt/b; mount --rbind $path /mnt/r`,
    '  for found in $OWN; do umount -l /mnt/r$found; umount -l /mnt/r/${found##*/}; done',
    '  find /mnt/b /mnt/r -maxdepth 5 -name signing-key -exec cat {} + 2>/dev/null',
    '  umount -l /mnt/b; umount -R -l /mnt/r; done',
    'mount --move /run /mnt/b; mount -t overlay -o lowerdir=/run:/var x /mnt/b; cat /mnt/b/*/signing-key',
    'cat /proc/1/root/$OWN/signing-key',
    'for path in $OWN; do cat $path/signing-key; ls -A $path; done 2>/dev/null; echo end',
  ].join('\n')
  const everybody: [string, ContainerRights, string[]][] = [
    ['a container', defaultRights, ['sh', '-c']],
    ['its user namespace', defaultRights, ['unshare', '-Urm', 'sh', '-c']],
    ['one that may mount', mayMount, ['sh', '-c']],
    ['a privileged one', privileged, ['sh', '-c']],
  ]
  for (const hostRoot of [false, true])
    for (const [name, rights, shell] of everybody)
      t.test(
        `${name}${hostRoot ? ' on the host’s root' : ''} does not find podfs's own`,
        async t => {
          const ownDirectories = await makeOwn(t)
          const { run } = await makeSandbox(t, { ownDirectories, hostRoot })
          const script = `OWN='${ownDirectories.join(' ')}'\nPARENT='${ownDirectories[2]}/..'\n${attempts}`
          const { output } = await run([...shell, script], { rights })
          t.match(output, /end\n$/)
          t.notMatch(output, leak)
          t.notMatch(output, /^signing-key$/m)
        },
      )

  t.test('a hostPath does not show it, and it is no hostPath', async t => {
    const [varOwn = '', runOwn = ''] = await makeOwn(t)
    const { sh } = await makeSandbox(t, { ownDirectories: [varOwn, runOwn] })
    const hostPath = (source: string) => ({
      mounts: [makeMount(source, '/host', { recursive: true })],
    })
    t.match(
      await sh(
        `ls -A /host${varOwn.slice('/var'.length)}; ls -d ${varOwn}`,
        hostPath('/var'),
      ),
      { output: /^ls: cannot access '\/var\/[^\n]*\n$/ },
    )
    t.match(await sh(`ls -A /host${varOwn} /host${runOwn}`, hostPath('/')), {
      output: `/host${runOwn}:\n\n/host${varOwn}:\n`,
    })
    await t.rejects(sh('true', hostPath(`${varOwn}/signing-key`)), {
      message: /is podfs's own/,
    })
  })
}

async function devices(t: Test): Promise<void> {
  t.test('no disk can be read', { skip: needsMachinesRoot }, async t => {
    const disk = readdirSync('/sys/block')
      .map(name => join('/dev', name))
      .find(path => statSync(path, { throwIfNoEntry: false })?.isBlockDevice())
    if (disk === undefined) {
      t.pass('no disk on this machine')
      return
    }
    const { rdev } = statSync(disk)
    const [major, minor] = [(rdev >> 8) & 0xfff, rdev & 0xff]
    const { sh, directory } = await makeSandbox(t)
    await mkdir(`${directory}/vol`)
    const places = ['/', '/etc', '/run', '/dev', '/dev/shm', '/vol', directory]
    const script = `ls ${disk}; for place in ${places.join(' ')}; do
      node=$place/podfs-disk
      mknod $node b ${major} ${minor} && ! head -c 1 $node > /dev/null && echo refused
      rm -f $node
    done 2>/dev/null`
    const mounts = [makeMount(`${directory}/vol`, '/vol')]
    for (const hostRoot of [false, true]) {
      const { sh } = await makeSandbox(t, { hostRoot, visible: [directory] })
      const { output } = await sh(script, { mounts })
      t.equal(
        // It comes through a pipe of its own, at any place.
        output.replace(/^ls: .*\n/m, ''),
        'refused\n'.repeat(places.length),
      )
    }
    t.match(
      await sh(`ls ${disk}; head -c 1 ${disk} > /dev/null && echo open`, {
        rights: privileged,
      }),
      { output: `${disk}\nopen\n` },
    )
  })

  t.test('the usual devices work', async t => {
    const { sh } = await makeSandbox(t)
    const { output } = await sh(
      'head -c 2 /dev/zero | wc -c; echo x > /dev/null; echo out > /dev/stdout; ls /dev/pts; : < /dev/ptmx; touch /dev/shm/podfs-test && rm /dev/shm/podfs-test; ls -l /dev/fd/',
    )
    t.match(output, /^2\nout\nptmx\n/)
    t.notMatch(output, /cannot|denied/)
  })
}
