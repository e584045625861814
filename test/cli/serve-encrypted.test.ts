/*
 * Encrypted sources under `podfs serve`: manifests of SOPS and files of age, decrypted in
 * memory; a key that is missing keeps the last good state, one that comes heals it.
 */
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { eventually, type RunningPodfs } from '../helpers/podfs.ts'
import { configMap, end, pod, world } from '../helpers/served-world.ts'

t.setTimeout(240_000)
const skip = cannotStart()

const fixture = (name: string): string =>
  path.resolve('test/fixtures/sops', name)

/** A world whose podfs.yaml names a key file and a directory of age files. */
function encrypted(t: Test) {
  const made = world(t, {
    'pod.yaml': pod('web', '{name: key, secret: {secretName: db}}'),
    'plain.yaml': configMap('plain', '{round: "0"}'),
  })
  const { dir, configure, write, text } = made
  mkdirSync(path.join(dir, 'files'))
  configure(
    'ageKeyFile: keys.txt',
    '  secrets: [{directory: files, name: files}]\n',
  )
  const keys = path.join(dir, 'keys.txt')
  return {
    ...made,
    /** Of `names` the key files in the fixtures; none: no key file. */
    setKeys: (...names: readonly string[]): void => {
      rmSync(keys, { force: true })
      for (const name of names)
        appendFileSync(keys, readFileSync(fixture(name)))
    },
    manifest: (name: string): void =>
      copyFileSync(fixture(name), path.join(dir, 'manifests/db.yaml')),
    file: (name: string): void =>
      copyFileSync(fixture(name), path.join(dir, 'files/password.age')),
    served: () => ({
      inPod: text('default/pods/web/key/user'),
      secret: text('default/secrets/db/user'),
      file: text('default/secrets/files/password'),
    }),
    /** Resolves when what was written before has been looked at. */
    lookedAt: async (): Promise<void> => {
      rounds += 1
      const round = String(rounds)
      write('plain.yaml', configMap('plain', `{round: "${round}"}`))
      await eventually(() => text('default/configmaps/plain/round') === round)
    },
  }
}

let rounds = 0

/** The `error:` lines that podfs has said. */
function errors(serving: RunningPodfs): string[] {
  return serving
    .stderr()
    .split('\n')
    .filter(line => line.startsWith('error: '))
}

const locked = (file: string) =>
  new RegExp(
    `^error: .*${file}:\\d+:1: .*no age key opens it: .*keys\\.txt \\(`,
  )

t.test(
  'what is encrypted is served, and stays when a key is missing',
  { skip },
  async t => {
    const { setKeys, manifest, file, served, lookedAt, start } = encrypted(t)
    setKeys('keys.txt')
    manifest('regex.yaml')
    file('password.age')
    let serving = await start()
    const good = { inPod: 'admin', secret: 'admin', file: 'hunter2' }
    t.strictSame(served(), good)

    t.comment('edited by sops')
    manifest('edited.yaml')
    await eventually(
      () => served().inPod === 'root' && served().secret === 'root',
    )

    t.comment('encrypted for somebody else')
    manifest('for-others.yaml')
    file('for-others.age')
    await eventually(() => errors(serving).length === 2)
    t.match(errors(serving).sort(), [
      locked('files/password\\.age'),
      locked('manifests/db\\.yaml'),
    ])
    t.strictSame(served(), { inPod: 'root', secret: 'root', file: 'hunter2' })

    t.comment('saved again, and two looks for other keys later')
    manifest('for-others.yaml')
    file('for-others.age')
    await lookedAt()
    await new Promise(resolve => setTimeout(resolve, 2500))
    t.equal(errors(serving).length, 2, 'it is said once')

    t.comment('the next podfs has lost the keys altogether')
    serving.child.kill('SIGKILL')
    await serving.ended
    setKeys()
    serving = await start()
    t.match(serving.stderr(), /keys\.txt \(no such file or directory\)/)
    t.match(
      serving.stderr(),
      'podfs: the input has mistakes or empty files: what was served',
    )
    t.strictSame(
      served(),
      { inPod: 'root', secret: 'root', file: 'hunter2' },
      'what was served before stays',
    )
    const said = errors(serving).length

    t.comment('the keys come')
    setKeys('keys.txt', 'other-keys.txt')
    await eventually(
      () =>
        served().inPod === 'admin' &&
        served().secret === 'admin' &&
        served().file === 'other',
    )
    t.equal(errors(serving).length, said)
    t.notMatch(serving.stderr(), /hunter2|AGE-SECRET-KEY/)
    await end(t, serving)
  },
)

t.test('a start without the key: the others are served', { skip }, async t => {
  const { setKeys, manifest, file, served, text, start, dir } = encrypted(t)
  manifest('regex.yaml')
  file('password.age')
  const serving = await start()
  t.match(errors(serving).sort(), [
    locked('files/password\\.age'),
    locked('manifests/db\\.yaml'),
    /pod\.yaml:\d+:\d+: Pod default\/web: .* secret "db" not found$/,
  ])
  t.ok(text('default/configmaps/plain/round'))
  t.strictSame(served(), {
    inPod: undefined,
    secret: undefined,
    file: undefined,
  })
  writeFileSync(path.join(dir, 'keys.txt'), 'no key\n')
  await new Promise(resolve => setTimeout(resolve, 1500))
  t.strictSame(served().secret, undefined)
  setKeys('keys.txt')
  await eventually(
    () =>
      served().inPod === 'admin' &&
      served().secret === 'admin' &&
      served().file === 'hunter2',
  )
  await end(t, serving)
})
