import {
  appendFile,
  copyFile,
  mkdir,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { AgeIdentities } from '../../../src/sources/encryption/age-identities.ts'
import {
  follow,
  followDirectory,
  temporaryDirectory,
  type Live,
} from '../live.ts'

const fixtures = 'test/fixtures/sops'
const fixture = (name: string) => readFile(join(fixtures, name))
const identities = new AgeIdentities([{ file: `${fixtures}/keys.txt` }])

const user = ({ store }: Live): string | undefined => {
  const value = store.get('Secret', 'default', 'db')?.data.get('user')
  return value && Buffer.from(value).toString()
}

t.test('a manifest of sops is followed as any other', async t => {
  const directory = await temporaryDirectory(t)
  const file = join(directory, 'db.yaml')
  await copyFile(`${fixtures}/regex.yaml`, file)
  const live = await follow(t, [directory], { identities })
  t.equal(user(live), 'admin')

  t.comment('written in place, as sops edit does')
  await writeFile(file, await fixture('edited.yaml'))
  await live.until(() => user(live) === 'root', 'the edit')

  t.comment('renamed into place')
  await copyFile(`${fixtures}/regex.yaml`, `${file}~`)
  await rename(`${file}~`, file)
  await live.until(() => user(live) === 'admin', 'the file of before')
  t.strictSame(live.lines, [], 'there was nothing to say')

  t.comment('changed without sops')
  const text = (await fixture('edited.yaml')).toString()
  await writeFile(file, text.replace('app: shop', 'app: shops'))
  await live.until(() => live.lines.length > 0, 'an error')
  t.match(live.lines, [/db.yaml:18:1: sops: the mac does not match/])
  t.equal(user(live), 'admin', 'what was read before stays')

  t.comment('cut off before the sops section')
  await writeFile(file, text.slice(0, text.indexOf('sops:')))
  await live.until(() => live.lines.length > 1, 'an error')
  t.match(
    live.lines[1],
    /db.yaml:11:15: encrypted by sops, and the file has no/,
  )
  t.equal(user(live), 'admin', 'what was read before stays')

  await writeFile(file, text)
  await live.until(() => user(live) === 'root', 'the whole file')
  t.equal(live.lines.length, 2)
  t.strictSame(live.deleted, [])
})

t.test('a key that comes later opens what was locked', async t => {
  const directory = await temporaryDirectory(t)
  const keys = join(directory, 'keys.txt')
  await copyFile(`${fixtures}/keys.txt`, keys)
  await mkdir(join(directory, 'manifests'))
  const file = join(directory, 'manifests/db.yaml.age')
  await copyFile(`${fixtures}/sops.yaml.age`, file)
  const live = await follow(t, [join(directory, 'manifests')], {
    identities: new AgeIdentities([{ file: keys }]),
  })
  t.equal(user(live), 'admin', 'sops in age in a directory')

  await rename(file, `${file}.gone`)
  await copyFile(
    `${fixtures}/for-others.yaml`,
    join(directory, 'manifests/db.yaml'),
  )
  await live.until(() => live.lines.length > 0, 'an error')
  t.match(live.lines, [/db.yaml:\d+:1: no age key opens it/])
  await appendFile(keys, await fixture('other-keys.txt'))
  await live.until(() => user(live) === 'admin', 'the other key')
  t.equal(live.lines.length, 1)
})

t.test('NAME.age in a directory is the key NAME', async t => {
  const directory = await temporaryDirectory(t)
  const keys = join(await temporaryDirectory(t), 'keys.txt')
  await copyFile(`${fixtures}/keys.txt`, keys)
  const file = join(directory, 'password.age')
  await copyFile(`${fixtures}/password.age`, file)
  await writeFile(join(directory, 'plain'), 'plain')
  const live = await followDirectory(t, directory, {
    identities: new AgeIdentities([{ file: keys }]),
  })
  const values = () =>
    Object.fromEntries(live.store.get('ConfigMap', 'default', 'cm')?.data ?? [])
  t.strictSame(values(), { password: 'hunter2', plain: 'plain' })

  t.comment('another one, which no key opens')
  await writeFile(file, await fixture('for-others.age'))
  await live.until(() => live.lines.length > 0, 'an error')
  t.match(live.lines, [
    /password.age:1:1: no age key opens it: .* \(2 keys\); what was read before stays$/,
  ])
  t.equal(values()['password'], 'hunter2')
  await appendFile(keys, await fixture('other-keys.txt'))
  await live.until(() => values()['password'] === 'other', 'the other key')

  t.comment('half of one, a new one, an empty one')
  const whole = await fixture('password.age')
  await writeFile(file, whole.subarray(0, 100))
  await live.until(() => live.lines.length > 1, 'an error')
  t.match(live.lines[1], /password.age:1:1: incomplete or damaged.*; what was/)
  await writeFile(join(directory, 'new.age'), 'no age file')
  await live.until(() => live.lines.length > 2, 'an error')
  t.match(live.lines[2], /new.age:1:1: incomplete .* age has written$/)
  await writeFile(file, '')
  await live.until(() => live.lines.length > 3, 'an error')
  t.match(live.lines[3], /password.age:1:1: empty: it is not.*; what was/)
  t.strictSame(values(), { password: 'other', plain: 'plain' })
  await writeFile(file, whole)
  await live.until(
    () => values()['password'] === 'hunter2',
    'the file of before',
  )
  await rm(file)
  await live.until(() => values()['password'] === undefined, 'its removal')
  await writeFile(join(directory, 'new.age'), whole)
  await live.until(() => values()['new'] === 'hunter2', 'the new one, whole')
  t.equal(live.lines.length, 4)
})

t.test('a directory with both NAME and NAME.age', async t => {
  const directory = await temporaryDirectory(t)
  await copyFile(`${fixtures}/password.age`, join(directory, 'password.age'))
  await writeFile(join(directory, 'password'), 'plain')
  const live = await followDirectory(t, directory, { identities })
  t.equal(live.value('cm', 'password'), 'plain')
  t.match(live.lines, [/password.age:1:1: left out: password is there, too/])
  await rm(join(directory, 'password'))
  await live.until(
    () => live.value('cm', 'password') === 'hunter2',
    'the other',
  )
})

t.test('a directory does not start with what cannot be decrypted', async t => {
  for (const watch of [true, false]) {
    const directory = await temporaryDirectory(t)
    const file = join(directory, 'password.age')
    await copyFile(`${fixtures}/for-others.age`, file)
    await t.rejects(followDirectory(t, directory, { identities, watch }), {
      code: 'SOURCE_UNREADABLE',
      message: /password.age: no age key opens it: .*keys.txt \(2 keys\)$/,
    })
    await writeFile(file, '')
    await t.rejects(followDirectory(t, directory, { identities, watch }), {
      message:
        /password.age: (empty|incomplete or damaged): it is not what age/,
    })
  }
})
