import { lstat, realpath, stat, symlink } from 'node:fs/promises'
import { join } from 'node:path'

import t, { type Test } from 'tap'

import { fileIdentity } from '../../src/linux/file-identity.ts'
import {
  mountSubPath,
  resolveSubPath,
} from '../../src/runner/launch/sub-path.ts'

async function makeVolume(t: Test, readOnly = false) {
  const directory = await realpath(
    t.testdir({
      volume: {
        '..ts': { key: 'value' },
        '..data': t.fixture('symlink', '..ts'),
        key: t.fixture('symlink', '..data/key'),
        dir: { file: 'x' },
      },
      outside: { file: 'secret' },
      volume2: { file: 'secret' },
    }),
  )
  return { path: join(directory, 'volume'), readOnly }
}

t.test('C128 to C132: the file behind the links of now', async t => {
  const volume = await makeVolume(t, true)
  const resolve = async (subPath: string) =>
    (await resolveSubPath(volume, subPath))?.path
  t.equal(await resolve('key'), join(volume.path, '..ts', 'key'))
  t.equal(await resolve('./dir//file'), join(volume.path, 'dir/file'))
  t.equal(await resolve('nope'), undefined)
  t.equal(await resolve('dir/nope/deep'), undefined)
  await symlink('..data/gone', join(volume.path, 'gone'))
  t.equal(await resolve('gone'), undefined)
  await t.rejects(resolve('key/below'), {
    code: 'CONTAINER_CONFIG',
    message: 'subPath key/below: ENOTDIR',
  })
})

t.test('C139: what is missing is made, with the mode of the root', async t => {
  const volume = await makeVolume(t)
  const { path: made = '', identity } =
    (await resolveSubPath(volume, 'new/deep')) ?? {}
  t.equal(made, join(volume.path, 'new/deep'))
  const root = await stat(volume.path)
  t.equal((await stat(made)).mode, root.mode)
  t.equal(identity, fileIdentity(await stat(made, { bigint: true })))
})

t.test('C143 C144 C145 C146: nothing outside of the volume', async t => {
  const volume = await makeVolume(t)
  const outside = join(volume.path, '../outside')
  const links = {
    directory: outside,
    file: join(outside, 'file'),
    dangling: join(outside, 'new'),
    back: '../',
    // Its name begins with the volume's.
    sibling: '../volume2',
    siblingFile: '../volume2/file',
    loop: 'loop',
  }
  for (const [name, target] of Object.entries(links)) {
    await symlink(target, join(volume.path, name))
    await t.rejects(
      resolveSubPath(volume, name),
      {
        code: 'CONTAINER_CONFIG',
        message: /leads outside of its volume$|: cannot be resolved$/,
      },
      name,
    )
  }
  await t.rejects(resolveSubPath(volume, 'directory/made'), {
    message: 'subPath directory/made leads outside of its volume',
  })
  await t.rejects(lstat(join(outside, 'made')), { code: 'ENOENT' })
  await t.rejects(lstat(join(outside, 'new')), { code: 'ENOENT' })
  await t.rejects(resolveSubPath(volume, 'dir/file/below'), {
    code: 'CONTAINER_CONFIG',
  })
})

t.test('a link to the root of the volume, and to what is in it', async t => {
  const volume = await makeVolume(t)
  await symlink('.', join(volume.path, 'all'))
  await symlink(join(volume.path, 'dir'), join(volume.path, 'absolute'))
  for (const [subPath, path] of [
    ['all', ''],
    ['all/dir/file', 'dir/file'],
    ['absolute/file', 'dir/file'],
  ] as const)
    t.equal(
      (await resolveSubPath(volume, subPath))?.path,
      join(volume.path, path),
    )
})

t.test(
  'everything lies in the volume that is the root of the host',
  async t => {
    const { path } = await makeVolume(t)
    await symlink('dir', join(path, 'link'))
    const found = await resolveSubPath(
      { path: '/', readOnly: false },
      `${path.slice(1)}/link`,
    )
    t.equal(found?.path, join(path, 'dir'))
  },
)

t.test('C134 to C137: what may be said', async t => {
  const env = new Map([
    ['POD', 'foo'],
    ['UP', '..'],
    ['ABS', '/tmp'],
    ['EMPTY', ''],
  ])
  const subPath = (options: object) =>
    mountSubPath(
      { name: 'v', mountPath: '/v', readOnly: false, ...options },
      env,
    )
  t.equal(subPath({}), undefined)
  t.equal(subPath({ subPath: '' }), undefined)
  t.equal(subPath({ subPath: '$(POD)' }), '$(POD)', 'not expanded')
  t.equal(subPath({ subPathExpr: '$(POD)/x' }), 'foo/x')
  t.equal(subPath({ subPath: 'a..b' }), 'a..b')
  const absolute = (path: string) =>
    `error SubPath \`${path}\` must not be an absolute path`
  const dots = (path: string) =>
    `unable to provision SubPath \`${path}\`: must not contain '..'`
  for (const [bad, message] of [
    [{ subPath: '../x' }, dots('../x')],
    [{ subPath: '/x' }, absolute('/x')],
    [{ subPathExpr: '$(UP)' }, dots('..')],
    [{ subPathExpr: '$(ABS)' }, absolute('/tmp')],
    [{ subPathExpr: 'x$(EMPTY)' }, 'missing value for EMPTY'],
    [{ subPathExpr: '$(NO)$(NOPE)' }, 'missing value for NO, NOPE'],
  ] as const) {
    t.throws(
      () => subPath(bad),
      { code: 'CONTAINER_CONFIG', message },
      JSON.stringify(bad),
    )
  }
})
