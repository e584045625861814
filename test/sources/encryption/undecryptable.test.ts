import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Encrypter } from 'age-encryption'
import t from 'tap'
import { formatFinding } from '../../../src/api/report.ts'
import {
  AgeIdentities,
  type IdentityPlace,
} from '../../../src/sources/encryption/age-identities.ts'
import { readMaybeEncrypted } from '../../../src/sources/encryption/read-maybe-encrypted.ts'

const fixtures = 'test/fixtures/sops'
const mine: IdentityPlace = { file: `${fixtures}/keys.txt` }
const regex = fixture('regex.yaml')
const recipient = /recipient: (\S+)/.exec(regex)?.[1]

function fixture(name: string): string {
  return readFileSync(join(fixtures, name), 'utf8')
}

async function read(
  content: string | Uint8Array,
  name = 'f.yaml',
  places: readonly IdentityPlace[] = [mine],
) {
  const manifest = await readMaybeEncrypted(Buffer.from(content), name, {
    namespace: 'default',
    identities: new AgeIdentities(places),
  })
  return {
    ...manifest,
    lines: manifest.findings.flatMap(finding => [
      formatFinding(finding),
      ...(finding.fix === undefined ? [] : [finding.fix]),
    ]),
  }
}

const keyFix =
  'set SOPS_AGE_KEY_FILE=KEYS.TXT before podfs is started, or ageKeyFile in podfs.yaml'
const macLines = [
  'f.yaml:17:1: sops: the mac does not match: the file was changed without sops',
  'sops edit --ignore-mac FILE, if the change was meant',
]

/** One value of the file in place of another. */
function moved(text: string): string {
  const [, password = ''] = /password: (.*)/.exec(text) ?? []
  return text.replace(/binary: .*/, `binary: ${password}`)
}

/** A `sops` section with other keys than age's. */
function withKeys(kind: string): string {
  return regex.replace(/ {4}age:\n[^]*?recipient: .*\n/, kind)
}

const cases: Readonly<
  Record<string, { text: string; lines: readonly string[] }>
> = {
  'an unencrypted value that was changed': {
    text: regex.replace('app: shop', 'app: shops'),
    lines: macLines,
  },
  'a value that was added': {
    text: regex.replace('type: Opaque', 'type: Opaque\nimmutable: true'),
    lines: macLines.map(line => line.replace(':17:', ':18:')),
  },
  'a value that was taken away': {
    text: regex.replace(/ {4}binary: .*\n/, ''),
    lines: macLines.map(line => line.replace(':17:', ':16:')),
  },
  'two values that were exchanged by their keys': {
    text: regex.replace('    user:', '    users:'),
    lines: [
      'f.yaml:14:12: stringData.users: cannot be decrypted: it was changed, or comes from another place or file',
    ],
  },
  'a value from another place': {
    text: moved(regex),
    lines: [
      'f.yaml:12:13: data.binary: cannot be decrypted: it was changed, or comes from another place or file',
    ],
  },
  'a value whose tag is shorter': {
    text: regex.replace(/(password: .*tag:)[^,]*/, '$1AAAA'),
    lines: [
      'f.yaml:11:15: data.password: cannot be decrypted: it was changed, or comes from another place or file',
    ],
  },
  'a value that is not encrypted': {
    text: regex.replace(/password: .*/, 'password: aHVudGVyMg=='),
    lines: [
      'f.yaml:11:15: data.password: not encrypted, though by the rule of the sops section it has to be',
    ],
  },
  'a mac of another file': {
    text: regex.replace(
      /mac: .*/,
      /mac: .*/.exec(fixture('documents.yaml'))?.[0] ?? '',
    ),
    lines: macLines,
  },
  'another lastmodified': {
    text: regex.replace(
      /lastmodified: .*/,
      'lastmodified: "2020-01-01T00:00:00Z"',
    ),
    lines: macLines,
  },
  'no mac': {
    text: regex.replace(/ {4}mac: .*\n/, ''),
    lines: ['f.yaml:17:1: sops: has no mac'],
  },
  'a file that was cut off before its section': {
    text: regex.slice(0, regex.indexOf('sops:')),
    lines: [
      'f.yaml:11:15: encrypted by sops, and the file has no sops section',
    ],
  },
  'a section that is no mapping': {
    text: `${regex.slice(0, regex.indexOf('sops:'))}sops: 1\n`,
    lines: ['f.yaml:17:1: sops: must be a mapping'],
  },
  'a section in the second document only': {
    text: `kind: List\napiVersion: v1\nitems: []\n---\n${regex}`,
    lines: [
      'f.yaml:21:1: sops: stands in a later document, and not in the first one',
    ],
  },
  'an alias': {
    text: regex
      .replace('name: db', 'name: &name db')
      .replace('app: shop', 'app: *name'),
    lines: [
      'f.yaml:6:14: an alias, which sops does not write: the file was changed without sops',
    ],
  },
  'keys of key services only': {
    text: withKeys('    kms:\n    - arn: a\n    pgp:\n    - fp: f\n'),
    lines: [
      'f.yaml:17:1: sops: encrypted for PGP and AWS KMS only; podfs decrypts with age keys',
      'sops rotate -i --add-age RECIPIENT FILE',
    ],
  },
  'no keys': {
    text: withKeys('    age: []\n'),
    lines: ['f.yaml:17:1: sops: it has no keys'],
  },
  'several key groups': {
    text: withKeys('    key_groups:\n    - age: []\n    - age: []\n'),
    lines: [
      'f.yaml:17:1: sops: the key is divided among several key groups, which podfs cannot put together',
    ],
  },
  'a damaged data key': {
    text: regex.replace(/(-----BEGIN.*\n\s*)YWdl/, '$1YWdm'),
    lines: [
      'f.yaml:17:1: incomplete or damaged: it is not what age has written',
    ],
  },
}

for (const [name, { text, lines }] of Object.entries(cases))
  t.test(`${name}: one error, at its place`, async t => {
    const { parsed, objects, locked, ...manifest } = await read(text)
    t.strictSame(manifest.lines, lines)
    t.notOk(parsed, 'nothing of it is believed')
    t.strictSame(objects, [])
    t.equal(locked, undefined, 'no other key would help')
  })

t.test(
  'what is wrong in an encrypted file is told at its place, without its values',
  async t => {
    const { lines, parsed } = await read(fixture('mistakes.yaml'))
    t.ok(parsed)
    t.match(
      lines.join('\n'),
      /^f.yaml:6:5: Pod default\/web: spec.restartPolicy: Unsupported value: "..."/m,
    )
    t.match(
      lines.join('\n'),
      /^f.yaml:8:\d+: Pod default\/web: spec.containers\[0\].name: Invalid value: "..."/m,
    )
    t.match(
      lines.join('\n'),
      /^f.yaml:\d+:\d+: Secret default\/db: data\[password\]/m,
    )
    t.notMatch(lines.join('\n'), /hunter2|canary/)
  },
)

t.test('a missing key: who could open it, and where podfs looked', async t => {
  const dir = t.testdir({
    'broken.txt': 'AGE-SECRET-KEY-1CANARY\nssh-ed25519 CANARY\n',
    'none.txt': '# created by nobody\n',
  })
  const { lines, parsed, locked } = await read(regex, 'f.yaml', [
    { name: '$SOPS_AGE_KEY', text: 'AGE-PLUGIN-CANARY' },
    { file: `${dir}/none.txt` },
    { file: `${dir}/broken.txt` },
    { file: `${dir}/missing.txt` },
    { file: `${fixtures}/other-keys.txt` },
  ])
  t.strictSame(lines, [
    `f.yaml:17:1: no age key opens it: it needs one for ${recipient}; looked in ` +
      '$SOPS_AGE_KEY (no keys, and something that is no age key), ' +
      `${dir}/none.txt (no keys), ` +
      `${dir}/broken.txt (no keys, and something that is no age key), ` +
      `${dir}/missing.txt (no such file or directory), ` +
      `${fixtures}/other-keys.txt (1 key)`,
    keyFix,
  ])
  t.notOk(parsed)
  t.ok(locked, 'it is tried again when there are other keys')
})

t.test('age files: one error each', async t => {
  const whole = readFileSync(join(fixtures, 'secret.yaml.age'))
  const encrypter = new Encrypter()
  encrypter.setScryptWorkFactor(2)
  encrypter.setPassphrase('canary')
  const cases = [
    {
      name: 'half of one',
      content: whole.subarray(0, whole.length - 20),
      line: 'incomplete or damaged: it is not what age has written',
    },
    {
      name: 'half of the header',
      content: whole.subarray(0, 60),
      line: 'incomplete or damaged: it is not what age has written',
    },
    {
      name: 'a flipped bit',
      content: Buffer.from(
        whole.map((byte, i) => (i === whole.length - 1 ? byte ^ 1 : byte)),
      ),
      line: 'incomplete or damaged: it is not what age has written',
    },
    {
      name: 'none at all',
      content: Buffer.from('apiVersion: v1\n'),
      line: 'incomplete or damaged: it is not what age has written',
    },
    {
      name: 'one with a passphrase',
      content: await encrypter.encrypt('x'),
      line: 'encrypted with a passphrase, and podfs has nobody to ask for it',
    },
    {
      name: 'one for an SSH key',
      content: readFileSync(join(fixtures, 'for-ssh.age')),
      line: "encrypted for an SSH key; podfs has only age's own keys (AGE-SECRET-KEY-1...)",
    },
  ]
  for (const { name, content, line } of cases) {
    const { lines, locked } = await read(content, 'f.yaml.age')
    t.strictSame(lines, [`f.yaml.age:1:1: ${line}`], name)
    t.equal(locked, undefined)
  }
  const { lines, locked } = await read(
    readFileSync(join(fixtures, 'for-others.age')),
    'f.yaml.age',
  )
  t.strictSame(lines, [
    `f.yaml.age:1:1: no age key opens it: it needs one; looked in ${fixtures}/keys.txt (2 keys)`,
    keyFix,
  ])
  t.ok(locked)
})

t.test('Windows line ends after the encryption change nothing', async t => {
  const { lines, objects } = await read(regex.replaceAll('\n', '\r\n'))
  t.strictSame(lines, [])
  t.equal(objects.length, 1)
})
