import t from 'tap'
import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { loadSigningKey } from '../../src/tokens/signing-key.ts'
import { makeTmpfsDirectory } from '../helpers/temporary-directory.ts'

t.test('makes a key once', async t => {
  const directory = await makeTmpfsDirectory(t)
  const path = `${directory}/state/key.pem`
  const key = await loadSigningKey(path)
  t.equal(key.algorithm, 'RS256')
  t.equal((await stat(path)).mode & 0o777, 0o600, 'only its owner reads it')
  t.equal((await stat(`${directory}/state`)).mode & 0o777, 0o700)
  t.strictSame(await readdir(`${directory}/state`), ['key.pem'])
  const der = createPublicKey(await readFile(path)).export({
    type: 'spki',
    format: 'der',
  })
  t.equal(
    key.kid,
    createHash('sha256').update(der).digest('base64url'),
    'kid as in kubernetes pkg/serviceaccount/jwt.go',
  )
  t.equal(
    (await loadSigningKey(path)).kid,
    key.kid,
    'the next start has it too',
  )
})

t.test('first starts at the same moment agree', async t => {
  const directory = await makeTmpfsDirectory(t)
  const path = `${directory}/key.pem`
  const keys = await Promise.all([1, 2, 3].map(() => loadSigningKey(path)))
  t.equal(new Set(keys.map(({ kid }) => kid)).size, 1)
  t.strictSame(await readdir(directory), ['key.pem'])
})

t.test('a file that holds no usable key', async t => {
  const pem = (key: ReturnType<typeof generateKeyPairSync>['privateKey']) =>
    key.export({ type: 'pkcs8', format: 'pem' }) as string
  const cases = [
    { name: 'empty', content: '', reason: /no private key in PEM form/ },
    { name: 'text', content: 'hello', reason: /no private key in PEM form/ },
    {
      name: 'an EC key',
      content: pem(
        generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
      ),
      reason: /of type ec, not RSA/,
    },
    {
      name: 'a short key',
      content: pem(
        generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey,
      ),
      reason: /shorter than 2048 bits/,
    },
  ]
  for (const { name, content, reason } of cases)
    t.test(name, async t => {
      const path = `${await makeTmpfsDirectory(t)}/key.pem`
      await writeFile(path, content)
      await t.rejects(loadSigningKey(path), {
        code: 'TOKEN_KEY_BROKEN',
        path,
        message: reason,
      })
      t.equal(await readFile(path, 'utf8'), content, 'the file is left alone')
    })
})

t.test('a path that cannot be', async t => {
  const directory = await makeTmpfsDirectory(t)
  await writeFile(`${directory}/file`, '')
  await t.rejects(loadSigningKey(`${directory}/file/key.pem`), {
    code: 'TOKEN_KEY_UNUSABLE',
  })
  await t.rejects(loadSigningKey(directory), { code: 'TOKEN_KEY_UNUSABLE' })
})
