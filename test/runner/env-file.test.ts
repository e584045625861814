import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'

import type { FileKeySelector } from '../../src/api/types.ts'
import { envFileValue } from '../../src/runner/launch/env-file-value.ts'
import { readEnvFiles } from '../../src/runner/launch/read-env-files.ts'
import { makeContainer } from '../helpers/make-objects.ts'

const at = (line: number, what: string): string =>
  `invalid environment variable format at line ${line}: ${what}`

/** The value of K, or what is wrong. */
const files: readonly (readonly [
  title: string,
  file: string,
  expected: string | { readonly wrong: string },
])[] = [
  ['a value', "K='value'\n", 'value'],
  ['no newline at the end', "K='value'", 'value'],
  ['the first one', "K='one'\nK='two'\n", 'one'],
  ['nothing is expanded', `K='$A "\\n" # b'`, '$A "\\n" # b'],
  ['with =', "K='a=b'", 'a=b'],
  [
    'several lines',
    "A='x\ny'\nK='one\n# two\n\n  three '\n",
    'one\n# two\n\n  three ',
  ],
  ['CR and LF', "A='x'\r\nK='one\r\ntwo'\r\n", 'one\ntwo'],
  ['blanks before the name', "\t  K='value'", 'value'],
  [
    'comments and empty lines',
    "# K='no'\n\n \t\n  #\nK='value' \t# why",
    'value',
  ],
  ['a comment at once', "K='value'#why", 'value'],
  ['what comes after it is not looked at', "K='value'\n???", 'value'],
  ['none', '', ''],
  ['another', "KK='value'\nk='value'", ''],
  ['empty', "K=''\nK='value'", ''],
  ['a blank before the value', "A= ???\nK= 'value'\nK='value'", ''],
  ['no =', "A='x\ny'\n\nexport", { wrong: at(4, "missing '='") }],
  ['no name', " ='value'", { wrong: at(1, 'empty variable name') }],
  [
    'a blank after the name',
    "K\t='value'",
    { wrong: at(1, "whitespace before '=' is not allowed") },
  ],
  [
    'no quotes',
    'K=value',
    { wrong: at(1, 'value must be enclosed in single quotes') },
  ],
  [
    'other quotes',
    'K="value"',
    { wrong: at(1, 'value must be enclosed in single quotes') },
  ],
  [
    'nothing',
    'K=',
    { wrong: at(1, 'value must be enclosed in single quotes') },
  ],
  [
    'more after the quote',
    "A='\nb'c\n",
    { wrong: at(2, 'unexpected content after closing quote') },
  ],
  [
    'no end',
    "A='x'\nK='one\ntwo\n",
    {
      wrong:
        'invalid environment variable format starting at line 2: unclosed single quote',
    },
  ],
  ['a long line', `A='${'x'.repeat(65_531)}'\nK='value'`, 'value'],
  [
    'a longer line',
    `A='x'\nA='${'x'.repeat(65_532)}'\nK='value'`,
    { wrong: 'line 2: bufio.Scanner: token too long' },
  ],
]

for (const [title, file, expected] of files)
  t.test(`a file: ${title}`, async t => {
    if (typeof expected === 'string') t.equal(envFileValue(file, 'K'), expected)
    else
      t.throws(() => envFileValue(file, 'K'), new SyntaxError(expected.wrong))
  })

const ref = (path: string, more: Partial<FileKeySelector> = {}) => ({
  volumeName: 'v',
  path,
  key: 'K',
  optional: false,
  ...more,
})

t.test('what is in the volume', async t => {
  const root = t.testdir({
    outside: "K='secret'",
    v: { 'a.env': "K='a'\nBINARY='\u0001'", long: ' '.repeat(1_048_577) },
  })
  const path = `${root}/v`
  mkdirSync(`${path}/sub`)
  symlinkSync('../a.env', `${path}/sub/link`)
  symlinkSync('../outside', `${path}/out`)
  symlinkSync('loop', `${path}/loop`)
  writeFileSync(`${path}/raw`, Buffer.from("K='\xff\xfe'", 'latin1'))
  execFileSync('sh', ['-c', 'mkfifo "$0"', `${path}/fifo`])
  const read = async (selector: FileKeySelector): Promise<unknown> => {
    const valueFrom = { fileKeyRef: selector }
    const container = makeContainer({ env: [{ name: 'X', valueFrom }] })
    const fileKey = await readEnvFiles(container, new Map([['v', { path }]]))
    const value = fileKey(selector)
    return value && Buffer.from(value.bytes).toString('latin1')
  }
  const unopened = (name: string, why: string): string =>
    `couldn't parse env file: failed to open environment variable file "${path}/${name}": ${why}`
  t.equal(await read(ref('a.env')), 'a')
  t.equal(await read(ref('/a.env')), 'a')
  t.equal(await read(ref('./sub//link')), 'a')
  t.equal(await read(ref('raw')), '\xff\xfe')
  t.equal(await read(ref('a.env', { key: 'NO', optional: true })), undefined)
  const told: readonly (readonly [FileKeySelector, string | RegExp])[] = [
    [
      ref('a.env', { volumeName: 'w' }),
      'cannot find the volume "w" referenced by FileKeyRef',
    ],
    [
      ref('a.env', { key: 'NO' }),
      `environment variable key "NO" not found in file "${path}/a.env"`,
    ],
    [ref('no.env'), unopened('no.env', 'no such file or directory')],
    [
      ref('no.env', { optional: true }),
      unopened('no.env', 'no such file or directory'),
    ],
    [ref('sub'), unopened('sub', 'not a regular file')],
    [ref('fifo'), unopened('fifo', 'not a regular file')],
    [ref('long'), unopened('long', 'more than 1048576 bytes')],
    [ref('out'), /^couldn't parse env file: .* leads outside of its volume$/],
    [ref('loop'), /^couldn't parse env file: .* cannot be resolved$/],
  ]
  for (const [selector, message] of told)
    await t.rejects(read(selector), { code: 'CONTAINER_CONFIG', message })
  writeFileSync(`${path}/bad`, "A='hunter2'\nK=hunter2")
  await t.rejects(read(ref('bad')), {
    message: `couldn't parse env file: "${path}/bad": ${at(2, 'value must be enclosed in single quotes')}`,
  })
})
