/*
 * Where podfs is started, and the paths that it is given.
 */
import { mkdirSync, readdirSync, renameSync, rmdirSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import {
  podfs,
  runtimeDirectory,
  startPodfs,
  stateDirectory,
} from '../helpers/podfs.ts'
import { configMap, world } from '../helpers/served-world.ts'

t.setTimeout(120_000)
const skip = cannotStart()

t.test('a working directory that has been removed', async t => {
  const cwd = t.testdir({ gone: {} })
  const wrapper = ['sh', '-c', 'cd gone && rmdir ../gone && exec "$@"', 'sh']
  t.strictSame(await podfs(t, ['get', 'pods'], { cwd, wrapper }), {
    code: 2,
    signal: null,
    stdout: '',
    stderr:
      'error: the working directory has been removed\n  cd to one that is there\n',
  })
})

t.test('bytes that are not UTF-8 would be another path', async t => {
  const cwd = t.testdir({ conf: { a: 'x' } })
  const told = async (script: string, ...args: string[]): Promise<string> => {
    const wrapper = ['sh', '-c', script, 'sh']
    const { code, stdout, stderr } = await podfs(t, args, { cwd, wrapper })
    t.equal(code, 2)
    t.equal(stdout, '')
    return stderr
  }
  const last = 'exec "$@" "$(printf \'%s/m\\303\\377\' "$PWD")"'
  // Of what is not UTF-8 each byte beyond ASCII is shown as it is.
  const bytes = [...Buffer.from(cwd)].map(byte =>
    byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`,
  )
  const here = bytes.join('')
  const shown = `${here}/m\\xc3\\xff`
  for (const words of [
    // None would serve anything if it went on.
    ['mount', 'nothing'],
    ['unmount'],
    ['validate', '-f'],
    ['serve', '--backend', 'none', '--root'],
    ['get', 'pods', '--session'],
  ])
    t.equal(
      await told(last, ...words),
      `error: an argument is not UTF-8: ${shown}\n`,
    )
  t.equal(
    await told(
      'PODFS_ROOT="$(printf \'/m\\377\')" exec "$@"',
      'config',
      'view',
    ),
    'error: a variable is not UTF-8: PODFS_ROOT=/m\\xff\n',
  )
  t.equal(
    await told(
      'd="$(printf \'d\\377\')"; mkdir "$d" && cd "$d" && exec "$@"',
      'validate',
      '-f',
      '.',
    ),
    `error: the working directory is not UTF-8: ${here}/d\\xff\n`,
  )
  t.strictSame(
    readdirSync(cwd).filter(name => name.startsWith('m')),
    [],
  )
  // The character itself is one like others.
  t.match(await podfs(t, ['unmount', 'm\ufffd'], { cwd }), {
    code: 2,
    stderr: /does not serve .*m\ufffd\n$/,
  })
})

t.test('an empty path is no working directory', async t => {
  const cwd = t.testdir({})
  for (const [args, message] of [
    [['mount', '/etc', ''], 'an argument is empty where a path is meant'],
    [['mount', '', 'mnt'], 'an argument is empty where a path is meant'],
    [['mount', '-f', '', '--configmap', 'a', 'mnt'], '--filename needs a PATH'],
    [['unmount', ''], 'an argument is empty where a MOUNTPOINT is meant'],
    [['validate', '-f', ''], '--filename needs a PATH'],
    [
      ['validate', '-f', 'a.yaml', ''],
      'an argument is empty where a PATH is meant',
    ],
    [['run', '-f', ''], '--filename needs a PATH'],
    [['serve', '-f', 'a.yaml', '--root', ''], '--root needs a DIR'],
    [['config', 'view', '--config', ''], '--config needs a FILE'],
  ] as const)
    t.match(await podfs(t, args, { cwd }), {
      code: 2,
      stdout: '',
      stderr: `error: ${message}\n`,
    })
})

t.test('podfs’s own directories are no mount points', { skip }, async t => {
  const { dir } = world(t)
  const conf = path.join(dir, 'manifests')
  const runTime = `run-time directory is ${runtimeDirectory}`
  for (const [mountpoint, own] of [
    [runtimeDirectory, runTime],
    [path.join(runtimeDirectory, 'x'), runTime],
    [path.dirname(runtimeDirectory), runTime],
    [
      path.join(stateDirectory, 'claims'),
      `state directory is ${stateDirectory}`,
    ],
    ['/', runTime],
  ] as const) {
    const stderr = `error: ${mountpoint} cannot be a mount point: podfs's ${own}\n`
    t.match(await podfs(t, ['mount', conf, mountpoint]), { code: 2, stderr })
    const args = ['serve', '-f', conf, '--root', mountpoint]
    t.match(await podfs(t, args), { code: 2, stderr })
  }
})

t.test('a directory above the mount point is renamed', { skip }, async t => {
  const { dir, write } = world(t)
  write('a.yaml', configMap('a', '{k: v}'))
  const manifests = path.join(dir, 'manifests')
  const before = path.join(dir, 'before')
  const after = path.join(dir, 'after')
  const mountpoint = path.join(before, 'mnt')
  for (const args of [
    ['mount', '-f', manifests, '--configmap', 'a', mountpoint],
    ['serve', '-f', manifests, '--root', mountpoint],
  ]) {
    mkdirSync(before)
    const mounted = startPodfs(t, args)
    await mounted.saw(/ready/)
    renameSync(before, after)
    t.ok(readdirSync(path.join(after, 'mnt')).length > 0)
    const { code, stderr } = await mounted.ended
    t.equal(code, 1)
    t.equal(
      stderr.replace(/^\S+ (INFO|WARN) .*\n/gm, ''),
      `error: the mount at ${mountpoint} is lost: somebody else has unmounted it, or renamed a directory above it\n`,
    )
    t.strictSame(readdirSync(after), [], 'what podfs has made is gone')
    rmdirSync(after)
  }
})
