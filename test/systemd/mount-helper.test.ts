/*
 * systemd/mount.podfs, with the flag of mount(8) that does everything but mount (-f) and the one
 * that tells (-v). test/systemd/booted.test.ts mounts with it.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { cannotStart, needsRoot } from '../helpers/capability.ts'
import { escapeMountPath } from '../../src/linux/mountinfo.ts'

function mountHelper(...args: readonly string[]) {
  return spawnSync(path.resolve('systemd', 'mount.podfs'), args, {
    encoding: 'utf8',
  })
}

const cases: readonly {
  readonly name: string
  readonly source: string
  readonly options: string
  readonly command: string
}[] = [
  {
    name: 'a directory is a plain one',
    source: '/etc',
    options: 'rw',
    command: 'mount --detach -- /etc /mnt/x',
  },
  {
    name: 'a file is a manifest',
    source: '/etc/hostname',
    options: 'rw',
    command: 'mount --detach -f /etc/hostname -- /mnt/x',
  },
  {
    name: 'a directory of manifests',
    source: '/etc',
    options: 'manifests',
    command: 'mount --detach -f /etc -- /mnt/x',
  },
  {
    name: 'a directory of which something is chosen',
    source: '/etc',
    options: 'ro,namespace=shop,secret=db',
    command: 'mount --detach --namespace=shop --secret=db -f /etc -- /mnt/x',
  },
  {
    name: 'one volume of one Pod',
    source: '/etc',
    options: 'pod=deployment/web,volume=config',
    command:
      'mount --detach --pod=deployment/web --volume=config -f /etc -- /mnt/x',
  },
  {
    name: 'flags',
    source: '/etc',
    options:
      'allow_other,takeover,backend=dir,config=/etc/podfs.yaml,loglevel=info,configmap=c',
    command:
      'mount --detach --allow-other --takeover --backend=dir --config=/etc/podfs.yaml --log-level=info --configmap=c -f /etc -- /mnt/x',
  },
  {
    name: 'what is for mount(8), systemd and readers',
    source: '/etc',
    options:
      'defaults,noauto,nofail,_netdev,x-systemd.automount,comment=a b,nosuid,nodev',
    command: 'mount --detach -- /etc /mnt/x',
  },
]
for (const { name, source, options, command } of cases)
  t.test(name, async t => {
    const { status, stdout, stderr } = mountHelper(
      source,
      '/mnt/x',
      '-f',
      '-v',
      '-o',
      options,
    )
    t.equal(stdout, `podfs ${command}\n`)
    t.equal(stderr, '')
    t.equal(status, 0)
  })

t.test('an unknown option is refused, unless mount is sloppy', async t => {
  const { status, stderr } = mountHelper('/etc', '/mnt/x', '-f', '-o', 'ro,*')
  t.equal(status, 1)
  t.equal(stderr, 'mount.podfs: unknown option *\n')
  t.equal(mountHelper('/etc', '/mnt/x', '-sf', '-o', 'ro,*').status, 0)
})

t.test('it needs a source and a mount point', async t => {
  const { status, stderr } = mountHelper('/etc')
  t.equal(status, 1)
  t.equal(stderr, 'mount.podfs: SOURCE and MOUNTPOINT are needed\n')
})

t.test(
  'mount -a reads /etc/fstab',
  { skip: cannotStart() || needsRoot('mount') },
  async t => {
    const dir = t.testdir({
      conf: { colour: 'blue' },
      mnt: {},
      fstab: '',
      sbin: {},
      bin: {},
    })
    const helper = path.join(dir, 'sbin/mount.podfs')
    copyFileSync('systemd/mount.podfs', helper)
    const program = path.join(dir, 'bin/podfs')
    writeFileSync(
      program,
      `#!/bin/sh\nexec '${process.execPath}' '${path.resolve('dist/podfs.cjs')}' "$@"\n`,
    )
    for (const file of [helper, program]) chmodSync(file, 0o755)
    writeFileSync(
      path.join(dir, 'fstab'),
      `${escapeMountPath(`${dir}/conf`)} ${escapeMountPath(`${dir}/mnt`)} podfs defaults,nofail 0 0\n`,
    )
    // In a mount namespace of its own: the machine's fstab and programs stay as they are.
    const inNamespace = (script: string) =>
      spawnSync(
        'unshare',
        [
          '--mount',
          'sh',
          '-ec',
          `cd /
          mount --bind '${dir}/fstab' /etc/fstab
          mount -t overlay -o "lowerdir=${dir}/sbin:$(realpath /sbin)" overlay $(realpath /sbin)
          mount -t overlay -o 'lowerdir=${dir}/bin:/usr/local/bin' overlay /usr/local/bin
          ${script}`,
        ],
        { encoding: 'utf8', timeout: 60_000 },
      )
    const { status, stdout, stderr } = inNamespace(`
      trap 'umount "${dir}/mnt" 2>/dev/null || true' EXIT TERM
      mount -a -t podfs
      cat '${dir}/mnt/colour'; echo
      mount -a -t podfs || echo "again: $?"
      umount '${dir}/mnt'
      while grep -qsF '${dir}/mnt' /run/podfs/*/session.json; do sleep 0.05; done
      ls -A '${dir}/mnt'`)
    t.match(stderr, /^error: .+mnt is already served by podfs with pid \d+\n/)
    t.match(stdout, /^blue\nagain: \d+\n$/)
    t.equal(status, 0)
    t.notMatch(
      readFileSync('/proc/self/mountinfo', 'utf8'),
      escapeMountPath(`${dir}/mnt`),
    )
  },
)
