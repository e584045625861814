/*
 * Names of files, keys, kinds, objects and mount points that would act on the terminal, or forge a
 * line of podfs's: nothing that podfs tells people has them as they are. What machines read does.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { cannotStart } from '../helpers/capability.ts'
import { parse } from 'yaml'
import type { JsonObject } from '../../src/api/json.ts'
import { CustomColumns } from '../../src/cli/look/custom-columns.ts'
import {
  describeAnnotations,
  describeEvents,
  given,
} from '../../src/cli/look/describe-parts.ts'
import { TablePrinter } from '../../src/cli/look/table-printer.ts'
import { alignTable } from '../../src/cli/look/tab-writer.ts'
import { type Output, outputTo } from '../../src/cli/output.ts'
import { eventually, podfs, startPodfs, type Ended } from '../helpers/podfs.ts'
import { configMap, pod } from '../helpers/served-world.ts'

t.setTimeout(120_000)
const skip = cannotStart()

const title = '\u001b]0;owned\u0007'
const forging = '\nerror: forged'
const reversed = '\u202etxt'
const hostile = `${title}${forging}${reversed}`
const acting = /[^\P{Cc}\n]|\p{Bidi_Control}/u

/** Of all that it told. */
function tellsSafely(
  t: Test,
  { stdout, stderr }: Pick<Ended, 'stdout' | 'stderr'>,
): void {
  t.notMatch(stdout + stderr, acting)
  t.notMatch(stdout + stderr, /^error: forged/m, 'no line of its own')
}

/** What reaches the stream. */
function told(tell: (output: Output) => void): string {
  let written = ''
  tell(outputTo({ write: bytes => (written += String(bytes)) }))
  return written
}

t.test('validate', async t => {
  const dir = path.join(t.testdir(), `dir${hostile}`)
  mkdirSync(dir)
  const file = path.join(dir, `file${hostile}.yaml`)
  const name = JSON.stringify(`name${hostile}`)
  writeFileSync(
    file,
    `${configMap(name, `{${JSON.stringify(`key${hostile}`)}: v}`)}
---
apiVersion: v1
kind: ${JSON.stringify(`Kind${hostile}`)}
metadata: {name: ${name}}
---
${pod(name, `{name: ${name}, configMap: {name: ${name}}}`)}
`,
  )
  for (const more of [[], ['-o', 'wide']]) {
    const told = await podfs(t, ['validate', '-f', dir, ...more])
    tellsSafely(t, told)
    t.equal(told.code, 1)
    t.match(told.stdout, 'Kind\\x1b]0;owned\\a\\nerror: forged\\u202etxt')
    t.match(told.stdout, 'key\\x1b]0;owned\\a\\nerror: forged\\u202etxt')
    t.match(told.stdout, 'file\\x1b]0;owned\\a\\nerror: forged\\u202etxt.yaml:')
  }
  const { stdout } = await podfs(t, ['validate', '-f', dir, '-o', 'json'])
  const { findings } = JSON.parse(stdout) as {
    findings: { position: JsonObject }[]
  }
  t.equal(
    findings[0]?.position['path'],
    file,
    'a machine gets the name as it is',
  )
})

t.test('what podfs cannot read, does not know, or is not given', async t => {
  const dir = t.testdir()
  for (const args of [
    ['validate', '-f', path.join(dir, hostile)],
    ['run', '-f', path.join(dir, hostile)],
    [hostile],
    ['get', hostile],
    ['explain', hostile],
    ['config', 'view', '--config', path.join(dir, hostile)],
    ['unmount', path.join(dir, hostile)],
    ['logs', 'web', '--since', hostile],
    ['create', 'configmap', 'a', `--from-file=${path.join(dir, hostile)}`],
  ]) {
    const told = await podfs(t, args)
    tellsSafely(t, told)
    t.not(told.code, 0)
    t.match(told.stderr, '\\x1b]0;owned')
  }
})

t.test('config view: what a setting is, and where it comes from', async t => {
  const dir = path.join(t.testdir(), `dir${hostile}`)
  mkdirSync(dir)
  const config = path.join(dir, 'podfs.yaml')
  writeFileSync(config, 'run: none\n')
  const root = `/a${hostile}\u009b2J`
  const told = await podfs(t, ['config', 'view', '--config', config], {
    env: { PODFS_ROOT: root },
  })
  tellsSafely(t, told)
  t.match(told.stdout, /^run: none +# .*\\x1b]0;owned/m)
  t.equal(
    (parse(told.stdout) as JsonObject)['root'],
    root,
    'what it prints is a podfs.yaml',
  )
})

t.test('a value makes no line in a column, a field or an event', async t => {
  const lines = [
    ...CustomColumns.fromSpec('A:.a')
      .print([{ a: hostile }], true)
      .split('\n'),
    ...given('Message', hostile),
    ...describeEvents([{ message: hostile }], 0),
  ]
  const shown = lines.filter(line => line.includes('owned'))
  t.equal(shown.length, 3)
  for (const line of shown) t.match(line, '\\nerror: forged\\u202etxt')
})

t.test('a cell makes no line, no column, and moves no other one', async t => {
  t.equal(alignTable([['a\n\tb', '1']]), 'a\\n\\tb   1\n')
  const column = { format: '', priority: 0 }
  const table = {
    columnDefinitions: [
      { ...column, name: 'Name' },
      { ...column, name: 'Age' },
    ],
    rows: [{ cells: [title, '1s'] }, { cells: ['web', '2s'] }],
  }
  const printer = new TablePrinter({
    wide: false,
    withNamespace: false,
    withSession: false,
    noHeaders: false,
    showLabels: false,
    prefix: undefined,
  })
  t.equal(
    told(output => output.text(printer.print([{ session: '', table }]))),
    'NAME             AGE\n\\x1b]0;owned\\a   1s\nweb              2s\n',
  )
})

t.test('what has lines of its own has nothing else of its own', async t => {
  const annotations = describeAnnotations({ note: title, more: hostile })
  const shown = told(output => output.text(annotations.join('\n')))
  tellsSafely(t, { stdout: shown.replaceAll('\t', ' '), stderr: '' })
  t.match(shown, 'note: \\x1b]0;owned\\a')
})

t.test('mount, and what looks into it', { skip }, async t => {
  const dir = t.testdir()
  const conf = path.join(dir, `conf${hostile}`)
  mkdirSync(conf)
  writeFileSync(path.join(conf, 'good'), 'v')
  writeFileSync(path.join(conf, `bad${hostile}`), 'v')
  const mountpoint = path.join(dir, `mnt${hostile}`)
  const mounted = startPodfs(t, [
    'mount',
    conf,
    mountpoint,
    '--log-level',
    'debug',
  ])
  await mounted.saw(/mnt.* ready/)
  await mounted.saw(/bad\\x1b/, 'stderr')
  tellsSafely(t, { stdout: mounted.stdout(), stderr: mounted.stderr() })

  const session = ['--session', String(mounted.pid)]
  const shown = await eventually(async () => {
    const told = await podfs(t, [
      'get',
      'volumes',
      '-A',
      '-o',
      'wide',
      ...session,
    ])
    return told.code === 0 && told
  })
  tellsSafely(t, shown)
  t.match(shown.stdout, 'mnt\\x1b]0;owned')
  for (const words of [
    ['describe', 'volumes'],
    ['get', 'events'],
    ['describe', 'configmaps'],
    ['get', 'configmaps', '--show-labels'],
  ])
    tellsSafely(t, await podfs(t, [...words, ...session]))
  const busy = await podfs(t, ['mount', conf, mountpoint])
  tellsSafely(t, busy)
  t.match(busy.stderr, 'is already served')
  const json = await podfs(t, ['get', 'volumes', '-o', 'json', ...session])
  t.match(json.stdout, JSON.stringify(mountpoint).slice(1, -1))
  t.equal((await podfs(t, ['unmount', mountpoint])).code, 0)
  tellsSafely(t, await mounted.ended)
})
